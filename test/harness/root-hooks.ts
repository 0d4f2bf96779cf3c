import { stopTestDatabase } from './hub.ts'
import { throwLifeline } from './lifeline.ts'

throwLifeline()

export const mochaHooks = {
  async afterAll() {
    await stopTestDatabase()
  },
}
