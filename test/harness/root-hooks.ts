import { stopTestDatabase } from './hub.ts'
import { throwLifeline } from './processes/lifeline.ts'
import { noteTest, requireFitting } from './watch-answers.ts'

throwLifeline()

export const mochaHooks = {
  beforeEach(this: Mocha.Context) {
    noteTest(this.currentTest?.fullTitle())
  },
  async afterAll() {
    await stopTestDatabase()
    requireFitting()
  },
}
