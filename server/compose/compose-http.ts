import { fileURLToPath } from 'node:url'
import { type Connection, type mongo, Schema } from 'mongoose'
import { RateLimiterMongo, RateLimiterRedis } from 'rate-limiter-flexible'
import { deriveKey } from '../core/secrets/derive-key.ts'
import { createHttp, type HttpDeps } from '../gateway/http/create-http.ts'
import { createIdempotencyStore, type IdempotencyDocument } from '../gateway/http/idempotency/idempotency-store.ts'
import { createRateStore } from '../gateway/http/rate-store.ts'

export interface ComposeHttpDeps extends Omit<HttpDeps, 'console_directory' | 'rateStore' | 'idempotencyStore'> {
  connection: Connection
  /** Of several nodes; without it the database keeps the counts. */
  redis: object | undefined
  /** The hub's own. */
  secret: string
}

const CONSOLE_DIRECTORY = fileURLToPath(new URL('../../client/console/dist', import.meta.url))
const RATE_COLLECTION = 'rate_limits'

/** The HTTP face and what it keeps for itself. */
export function composeHttp({ connection, redis, secret, ...deps }: ComposeHttpDeps) {
  const { clock, onTrouble } = deps
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
  const options = { strict: false, versionKey: false, autoIndex: false, autoCreate: false } as const
  const { collection } = connection.model('Idempotency', new Schema({ _id: String }, options), 'idempotency')
  const idempotencyStore = createIdempotencyStore({
    // The cast holds: mongoose gives the driver's own collection, and only this store writes to it.
    collection: collection as unknown as mongo.Collection<IdempotencyDocument>,
    payloadKey: deriveKey(secret, 'idempotency-payload'),
    clock,
  })
  return createHttp({ ...deps, rateStore, idempotencyStore, console_directory: CONSOLE_DIRECTORY })
}
