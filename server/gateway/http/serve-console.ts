import { fileURLToPath } from 'node:url'
import express, { type Express } from 'express'

/** The reference page at `/docs`: three files of our own, for the content policy lets no other script run. */
export function serveDocs(app: Express): void {
  app.use('/docs', express.static(fileURLToPath(new URL('./openapi/docs-page', import.meta.url)), { acceptRanges: false }))
}

/** The built console under `/app`, whatever page of it is asked for. Static files count against no limit. */
export function serveConsole(app: Express, directory: string): void {
  // Small files: a part of one is never asked for by a browser.
  const whole = { acceptRanges: false }
  app.get('/', (_request, response) => response.redirect('/app/'))
  const immutable = { ...whole, immutable: true, maxAge: '1y', index: false, fallthrough: true } as const
  app.use('/app/assets', express.static(`${directory}/assets`, immutable))
  app.use('/app', express.static(directory, { ...whole, index: false }))
  app.get(['/app', '/app/*page'], (request, response, next) => {
    if (request.path.startsWith('/app/assets/')) return next()
    response.set('Cache-Control', 'no-cache').sendFile('index.html', { root: directory }, (error) => {
      if (error) response.status(503).type('text/plain').send('The console is not built yet. Run `npm run console`, then reload.')
    })
  })
}
