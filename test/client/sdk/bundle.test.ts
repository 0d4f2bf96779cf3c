import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { viteBuild } from '../../harness/processes/vite-build.ts'

/** The console's whole budget is 60 KB; of this one's, socket.io-client takes 13. */
const BUDGET_BYTES = 27_000

describe('the sdk in a browser', () => {
  it('[SDK-27] is small, and holds neither zod nor anything of Node', async () => {
    const entry = fileURLToPath(import.meta.resolve('../../../client/sdk/index.ts'))
    const { modules, code } = await viteBuild({
      ...{ configFile: false, logLevel: 'silent', root: dirname(entry) },
      build: { write: false, minify: true, lib: { entry, formats: ['iife'], name: 'parley', fileName: 'sdk' } },
    })
    expect(modules.filter((id) => /node_modules\/zod\/|file-storage|^node:|__vite-browser-external/.test(id))).to.deep.equal([])
    expect(code).not.to.match(/from\s*["']node:/)
    expect(gzipSync(code).length).to.be.lessThan(BUDGET_BYTES)
  })
})
