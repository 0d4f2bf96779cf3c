import { relative } from 'node:path'
import { logTail, logWarnings } from './start/log-tail.ts'
import type { Ending } from './start/start-child.ts'

/** Does a long step under one line that ends with the seconds it took. */
export async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const began = Date.now()
  process.stdout.write(`${what} … `)
  try {
    return await work()
  } finally {
    console.log(`${((Date.now() - began) / 1000).toFixed(1)} s`)
  }
}

export const describeEnding = ({ code, signal }: Ending): string => (signal === null ? `exit code ${code}` : `signal ${signal}`)

/** The end of a log, to stand below a sentence that says what went wrong; with a heading that says what its lines are, if there are any. */
export function quoteLog(logFile: string, { heading = '' }: { heading?: string } = {}): string {
  const lines = logTail(logFile).map((line) => `  | ${line}`)
  const head = heading === '' || lines.length === 0 ? [] : [`  ${heading}`]
  return [...head, ...lines, `  The whole log: ${shortPath(logFile)}`].join('\n')
}

/** What the program has warned of so far, a line each. */
export const warningsOf = (logFile: string): string =>
  logWarnings(logFile)
    .map((line) => `  Note: ${line}\n`)
    .join('')

/** A path as the person would type it, when that is shorter. */
export const shortPath = (path: string): string => {
  const near = relative(process.cwd(), path)
  return near.length < path.length && !near.startsWith('..') ? near : path
}
