import { stopTestDatabase } from './hub.ts'

export const mochaHooks = {
  async afterAll() {
    await stopTestDatabase()
  },
}
