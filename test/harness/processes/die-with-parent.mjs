// Loaded first into every Node process that a test run starts: it ends with the run, however that ends. See lifeline.ts.
import { connect } from 'node:net'
import { isMainThread } from 'node:worker_threads'

const path = process.env['PARLEY_TEST_LIFELINE']
if (isMainThread && path) {
  const line = connect(path)
  // What matters is that it closes; why is of no interest.
  line.on('error', () => undefined)
  line.on('close', () => process.kill(process.pid, 'SIGKILL'))
  line.unref()
}
