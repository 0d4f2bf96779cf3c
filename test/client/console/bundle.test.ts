import { readdir, readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { buildConsole, DIST } from './console-world.ts'

const JS_BYTES = 60 * 1_024
const CSS_BYTES = 12 * 1_024

describe('console: what is loaded', () => {
  it('[CON-23] a first visit loads at most 60 KB of script and 12 KB of style, gzipped, and no zod', async () => {
    await buildConsole()
    const html = await readFile(`${DIST}/index.html`, 'utf8')
    const scripts = await loaded(html, /src="\/app\/(assets\/[^"]+\.js)"/g)
    const styles = await loaded(html, /href="\/app\/(assets\/[^"]+\.css)"/g)
    expect(scripts.length).to.be.at.least(1)
    expect(gzipped(scripts)).to.be.at.most(JS_BYTES)
    expect(gzipped(styles)).to.be.at.most(CSS_BYTES)
    const code = (await Promise.all((await readdir(`${DIST}/assets`)).map((name) => readFile(`${DIST}/assets/${name}`, 'utf8')))).join()
    expect(code).to.not.match(/ZodError|invalid_type|_zod\b/)
    // What the hub's content policy would stop.
    expect(html).to.not.match(/<script(?![^>]*\ssrc=)/)
    expect(code).to.not.match(/\.innerHTML\s*=[^=]*[^'"]location|document\.write|\beval\(/)
  })
})

async function loaded(html: string, pattern: RegExp): Promise<Buffer[]> {
  return Promise.all([...html.matchAll(pattern)].map(([, path]) => readFile(`${DIST}/${path}`)))
}

function gzipped(files: Buffer[]): number {
  return files.reduce((bytes, file) => bytes + gzipSync(file).length, 0)
}
