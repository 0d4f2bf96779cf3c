import { renameSync, writeFileSync } from 'node:fs'
import mocha from 'mocha'

/** What has run so far. `running` is the test of this moment, so that a hung run can name it. */
export interface Report {
  passed: number
  failed: number
  ended: boolean
  running: string | null
  failures: string[]
  /** What kept the process alive some seconds behind the end. */
  open: string[]
}

/**
 * Mocha's own `spec` report, and a `Report` in the file named by `--reporter-option counts=<file>`, kept up to date
 * test by test. What is open `look_ms` behind the end stands there too.
 */
export default class CountingReporter extends mocha.reporters.Spec {
  // A default export, for mocha loads a reporter so.
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options)
    const file: unknown = options.reporterOptions?.counts
    const look_ms = Number(options.reporterOptions?.look_ms)
    if (typeof file !== 'string' || Number.isNaN(look_ms))
      throw new Error('counting-reporter: say --reporter-option counts=<file>,look_ms=<ms>')
    const report: Report = { passed: 0, failed: 0, ended: false, running: null, failures: [], open: [] }
    const write = () => {
      report.passed = this.stats.passes
      report.failed = this.stats.failures + this.stats.pending
      // Renamed into place: whoever reads meanwhile sees a whole report.
      writeFileSync(`${file}.new`, JSON.stringify(report))
      renameSync(`${file}.new`, file)
    }
    runner.on('test', (test) => {
      report.running = test.fullTitle()
      write()
    })
    runner.on('fail', (test, error) => report.failures.push(`${test.fullTitle()}: ${firstLine(error)}`))
    runner.on('pending', (test) => report.failures.push(`${test.fullTitle()}: not run`))
    runner.once('end', () => {
      report.ended = true
      report.running = null
      write()
      // Held by nothing itself, so it runs only where something else is.
      setTimeout(() => {
        report.open = whatIsOpen()
        write()
      }, look_ms).unref()
    })
  }
}

const firstLine = (error: unknown): string => String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? ''

/** What keeps this process alive: by kind, and where node's own list says more, to whom a socket leads and what a child was started as. */
function whatIsOpen(): string[] {
  const { _getActiveHandles: list } = process as { _getActiveHandles?(): unknown[] }
  const known = (list?.() ?? []).map((handle) => {
    const { remotePort, localPort, spawnargs } = pick(handle)
    return [Object(handle).constructor.name, spawnargs?.join(' '), localPort && `from ${localPort}`, remotePort && `to ${remotePort}`]
      .filter(Boolean)
      .join(' ')
  })
  return [...process.getActiveResourcesInfo(), ...known]
}

function pick(handle: unknown): { remotePort?: number; localPort?: number; spawnargs?: string[] } {
  return typeof handle === 'object' && handle !== null ? (handle as ReturnType<typeof pick>) : {}
}
