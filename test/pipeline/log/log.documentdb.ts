// The log, its timers and reactors on the server that MONGODB_URI names: `npm test` runs the same files on the embedded one.
import './append.test.ts'
import './append-answers.test.ts'
import './append-outage.test.ts'
import './mutants.test.ts'
import '../timers.test.ts'
import '../reactors.test.ts'

if (!process.env['MONGODB_URI']) throw new Error('MONGODB_URI names the server to run on')
