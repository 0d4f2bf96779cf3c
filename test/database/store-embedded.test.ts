import { storeSuite } from './store.suite.ts'
import { startTestServer, type TestServer } from './test-server.ts'

describe('embedded database', () => {
  let server: TestServer
  before(async () => {
    server = await startTestServer()
  })
  after(() => server.stop())

  storeSuite('the embedded server', () => server.uri)
})
