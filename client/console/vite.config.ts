import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/app/',
  oxc: { jsx: { importSource: 'preact' } },
  build: {
    outDir: 'dist',
    target: 'es2023',
    emptyOutDir: true,
    // The hub's content policy allows no inline script, and browsers of this target preload modules by themselves.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    proxy: Object.fromEntries(
      [
        '/me',
        '/audit',
        '/contracts',
        '/agents',
        '/users',
        '/sessions',
        '/sign-in-links',
        '/invitations',
        '/password-resets',
        '/socket.io',
      ].map(toHub),
    ),
  },
})

/** `vite client/console` serves the pages with hot reload; what they ask for comes from a hub on the default address. */
function toHub(path: string): [string, { target: string; ws: boolean }] {
  return [path, { target: 'http://127.0.0.1:6767', ws: path === '/socket.io' }]
}
