import { fileURLToPath } from 'node:url'
import type { Connection } from 'mongoose'
import { RateLimiterMongo, RateLimiterRedis } from 'rate-limiter-flexible'
import { createHttp, type HttpDeps } from './gateway/http/create-http.ts'
import { createRateStore } from './gateway/http/rate-store.ts'

export interface ComposeHttpDeps extends Omit<HttpDeps, 'console_directory' | 'rateStore'> {
  connection: Connection
  /** Of several nodes; without it the database keeps the counts. */
  redis: object | undefined
  onTrouble(what: string, cause: unknown): void
}

const CONSOLE_DIRECTORY = fileURLToPath(new URL('../client/console/dist', import.meta.url))
const RATE_COLLECTION = 'rate_limits'

/** The HTTP face and what it keeps for itself. */
export function composeHttp({ connection, redis, onTrouble, ...deps }: ComposeHttpDeps) {
  const rateStore = createRateStore({
    onTrouble,
    createLimiter: (policy, options) =>
      redis === undefined
        ? new RateLimiterMongo({
            ...{ ...options, storeClient: connection.db, tableName: RATE_COLLECTION, keyPrefix: policy },
            disableIndexesCreation: true,
          })
        : new RateLimiterRedis({
            ...{ ...options, storeClient: redis, useRedisPackage: true, keyPrefix: `parley:rate:${policy}` },
            rejectIfRedisNotReady: true,
          }),
  })
  return createHttp({ ...deps, rateStore, console_directory: CONSOLE_DIRECTORY })
}
