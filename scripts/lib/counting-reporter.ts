import { writeFileSync } from 'node:fs'
import mocha from 'mocha'

/** Mocha's own `spec` report, and its counts in the file named by `--reporter-option counts=<file>`: written once all tests have run. */
export default class CountingReporter extends mocha.reporters.Spec {
  // A default export, for mocha loads a reporter so.
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options)
    const file: unknown = options.reporterOptions?.counts
    if (typeof file !== 'string') throw new Error('counting-reporter: say --reporter-option counts=<file>')
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats
      writeFileSync(file, JSON.stringify({ passed: passes, failed: failures + pending }))
    })
  }
}
