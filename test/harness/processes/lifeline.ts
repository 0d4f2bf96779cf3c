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
  process.once('exit', () => removeQuietly(folder))
  process.env['PARLEY_TEST_LIFELINE'] = path
  // A hub's start is mostly the compiling of its files: the first process that ends leaves it to the others of this run.
  process.env['NODE_COMPILE_CACHE'] = join(folder, 'compiled')
  const preload = `--import=${new URL('die-with-parent.mjs', import.meta.url).href}`
  const given = process.env['NODE_OPTIONS'] ?? ''
  if (!given.includes(preload)) process.env['NODE_OPTIONS'] = `${given} ${preload}`.trim()
}

/** For a child whose environment a test writes itself. */
export function lifeline(): Record<string, string> {
  const { PARLEY_TEST_LIFELINE, NODE_OPTIONS, NODE_COMPILE_CACHE } = process.env
  if (PARLEY_TEST_LIFELINE === undefined || NODE_OPTIONS === undefined) return {}
  return { PARLEY_TEST_LIFELINE, NODE_OPTIONS, ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }) }
}

/** A child that ends at the same time may still write what it compiled. */
function removeQuietly(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  } catch {
    // It lies in the temporary folder, which the system empties.
  }
}
