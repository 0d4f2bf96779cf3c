import { startTestServer, type TestServer } from '../test-server.ts'
import { differentialSuite } from './differential.suite.ts'
import { storeSuite } from './store.suite.ts'

/** Not part of `npm test`: MONGODB_URI=… npx mocha --no-config --timeout 60000 test/database/store-documentdb.suite-run.ts */
const uri = process.env['MONGODB_URI']
if (!uri) throw new Error('MONGODB_URI names the server to compare with')

describe('another MongoDB server', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer()
  })
  after(() => server.stop())

  storeSuite('MONGODB_URI', () => uri)
  differentialSuite(() => ({ embedded: server.uri, other: uri }))
})
