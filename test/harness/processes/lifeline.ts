import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Ties all Node processes that this run starts, and those that they start, to it: each holds a connection to it, which the kernel
 * closes when the run ends, by SIGKILL too. Otherwise hubs and databases of a killed run would stay. Production code knows nothing of it.
 */
export function throwLifeline(): void {
  const folder = mkdtempSync(join(tmpdir(), 'parley-run-'))
  const path = join(folder, 'line')
  createServer((line) => line.unref().on('error', () => undefined))
    .listen(path)
    .unref()
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  process.env['PARLEY_TEST_LIFELINE'] = path
  const preload = `--import=${new URL('die-with-parent.mjs', import.meta.url).href}`
  const given = process.env['NODE_OPTIONS'] ?? ''
  if (!given.includes(preload)) process.env['NODE_OPTIONS'] = `${given} ${preload}`.trim()
}

/** For a child whose environment a test writes itself. */
export function lifeline(): Record<string, string> {
  const { PARLEY_TEST_LIFELINE: path, NODE_OPTIONS: options } = process.env
  return path === undefined || options === undefined ? {} : { PARLEY_TEST_LIFELINE: path, NODE_OPTIONS: options }
}
