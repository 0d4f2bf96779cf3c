import { createSecretKey, hash, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { type Connection, mongo } from 'mongoose'
import type { Principal } from '../../../server/core/access/principal.ts'
import { systemClock } from '../../../server/core/clock.ts'
import { connectDatabase } from '../../../server/database/connect.ts'
import { migrate } from '../../../server/database/migrate.ts'
import { createLog, type Log, type LogOptions } from '../../../server/pipeline/log/log.ts'
import type { Committed, Decision, Draft } from '../../../server/pipeline/log/submission.ts'
import { createEventStore, type EventDocument, type EventStore, type StoredEvent } from '../../../server/pipeline/store/event-store.ts'
import { createSnapshotStore } from '../../../server/pipeline/store/snapshot-store.ts'
import { createVerifyStream } from '../../../server/pipeline/store/verify-stream.ts'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { testDatabase } from '../../harness/hub.ts'

/** What happens to one `insertMany` on its way between the store and the driver: it may run it, in whole or in part, and answer anything. */
export type Fault = (run: (documents?: EventDocument[]) => Promise<unknown>, documents: EventDocument[]) => Promise<unknown>

const noReply = () => new mongo.MongoNetworkError('connection closed')

export const faults = {
  committedWithoutReply: (async (run) => {
    await run()
    throw noReply()
  }) as Fault,
  lostOnTheWay: (async () => {
    throw noReply()
  }) as Fault,
  partlyWithoutReply: (count: number): Fault => {
    return async (run, documents) => {
      await run(documents.slice(0, count))
      throw noReply()
    }
  },
  /** What a server says whose majority did not confirm in time: it is written here, and may or may not stay. */
  writeConcern: (async (run) => {
    await run()
    throw bulkError({ message: 'waiting for replication timed out', code: 64 }, { writeConcernError: true })
  }) as Fault,
  /** An ordered insert that stops at a document which the server does not take. */
  refusesAt: (index: number): Fault => {
    return async (run, documents) => {
      if (index > 0) await run(documents.slice(0, index))
      throw bulkError({ message: 'Document failed validation', code: 121, writeErrors: [{ index, code: 121 }] }, {})
    }
  },
  /** The server says that it refuses the document at `index`, whatever it has written by then: as a rule what came before. */
  saysOf: (index: number, error: { code: number; errmsg?: string }, written = index): Fault => {
    return async (run, documents) => {
      if (written > 0) await run(documents.slice(0, written))
      throw bulkError({ message: error.errmsg ?? 'no', code: error.code, writeErrors: [{ index, ...error }] }, {})
    }
  },
  /** The index says that it is there, and no read finds it yet. */
  claimsDuplicateAt: (index: number): Fault => {
    return async (run, documents) => {
      if (index > 0) await run(documents.slice(0, index))
      throw bulkError({ message: 'E11000 duplicate key', code: 11_000, writeErrors: [{ index, code: 11_000 }] }, {})
    }
  },
}

function bulkError(error: object, { writeConcernError = false }): Error {
  const result = { getWriteConcernError: () => (writeConcernError ? { code: 64 } : undefined), insertedCount: 0 }
  // The cast holds: the driver builds its error from the same two parts, and the store reads no more of them.
  return new mongo.MongoBulkWriteError(error as never, result as never)
}

export interface Rig {
  connection: Connection
  /** The store over the faults that are planned. */
  store: EventStore
  /** The store as it is. */
  plain: EventStore
  /** One for each insert that comes, in turn; undefined = lets it pass. */
  plan: (Fault | undefined)[]
  /** What was handed to the driver, insert by insert. */
  inserts: EventDocument[][]
  troubles: string[]
  published: { stream: string; seqs: number[] }[]
  createLog(options?: Partial<LogOptions>): Log
  /** A log on the same database through a connection without faults: another node. */
  otherLog(): Log
  stream(): string
  events(stream: string): Promise<StoredEvent[]>
  close(): Promise<void>
}

/** A real database with the hub's own indexes, a real event store, and faults between the store and the driver. */
export async function createRig(uri?: string): Promise<Rig> {
  const name = `log_${randomUUID().replaceAll('-', '').slice(0, 20)}`
  const { connection } = await connectDatabase(uri ?? (await testDatabase()), { kind: 'mongodb', name })
  await migrate(connection, 'test')
  const plan: Rig['plan'] = []
  const inserts: EventDocument[][] = []
  const troubles: string[] = []
  const published: Rig['published'] = []
  const plain = createEventStore(connection)
  const store = createEventStore(faultyConnection(plain, { plan, inserts }))

  function newLog(options: Partial<LogOptions> = {}): Log {
    return createLog({
      ...{ store, snapshots: rigSnapshots(connection), clock: systemClock, epoch: 'epoch' },
      annotate: () => ({ audience: 'all' }),
      publish: (stream, news) => published.push({ stream, seqs: news.map(({ event }) => event.seq) }),
      onTrouble: (what) => troubles.push(what),
      ...options,
    })
  }

  return {
    ...{ connection, store, plain, plan, inserts, troubles, published },
    createLog: newLog,
    otherLog: () => newLog({ store: plain, publish: () => {} }),
    stream: () => `contract:${randomUUID()}`,
    events: (stream) => plain.read(stream, { after: 0, limit: 100_000 }),
    close: async () => {
      await connection.dropDatabase()
      await connection.close()
    },
  }
}

/** Of one key, so that all logs of a rig believe each other's. */
export function rigSnapshots(connection: Connection) {
  return createSnapshotStore({ connection, key: createSecretKey(Buffer.alloc(32, 7)), onRefused: () => {} })
}

function faultyConnection(plain: EventStore, { plan, inserts }: Pick<Rig, 'plan' | 'inserts'>): Connection {
  const collection = new Proxy(plain.collection, {
    get(target, name) {
      if (name !== 'insertMany') {
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? member.bind(target) : member
      }
      return (documents: EventDocument[], options: mongo.BulkWriteOptions) => {
        inserts.push(structuredClone(documents))
        const run = (some = documents) => target.insertMany(some, options)
        return plan.shift()?.(run, documents) ?? run()
      }
    },
  })
  // The cast holds: of a connection the store uses the model's collection alone.
  return { model: () => ({ collection }) } as unknown as Connection
}

/** For one `describe`: a rig whose records are empty before each test. Its parts are there from the first test on. */
export function useRig(): Rig {
  const rig = {} as Rig
  before(async () => void Object.assign(rig, await createRig()))
  after(() => rig.close())
  beforeEach(() => {
    for (const list of [rig.plan, rig.inserts, rig.troubles, rig.published]) list.length = 0
  })
  return rig
}

/** The stream holds these messages in this order, its chain is whole, and each was published once. */
export async function expectWhole(rig: Rig, stream: string, bodies: string[]): Promise<void> {
  const events = await rig.events(stream)
  expect(bodiesOf(events)).to.deep.equal(bodies)
  expect(await createVerifyStream({ store: rig.plain })(stream, { asker_id: 'ada' })).to.include({ ok: true, head: bodies.length })
  const told = rig.published.filter((one) => one.stream === stream).flatMap(({ seqs }) => seqs)
  expect(told, 'published once, in order').to.deep.equal(events.map(({ event }) => event.seq))
}

/** Says one after the other in one moment; what each was answered. */
export const sayAll = (log: Log, stream: string, keys: string[], by = 'ada'): Promise<(number | string)[]> =>
  Promise.all(keys.map((key) => outcomeOf(say(log, stream, { by, key }))))

export function person(id: string): Principal {
  return { kind: 'user', id, name: id, roles: [], owns: [] }
}

export interface Saying {
  by?: string
  key: string
  body?: string
  decide?(): Decision
}

/** A frame that says something. */
export function say(log: Log, stream: string, { by = 'ada', key, body = key, decide }: Saying): Promise<Committed> {
  const draft: Draft = {
    ...{ stream, actor: person(by), key, hash: hash('sha256', body) },
    decide: decide ?? (() => ({ event: { type: 'message.posted', data: { body, visibility: 'all' } } })),
  }
  return log.submit(draft)
}

/** The seq of what was committed, or the code of the refusal. */
export async function outcomeOf(committed: Promise<Committed>): Promise<number | string> {
  try {
    const { stored, duplicate } = await committed
    return duplicate ? `duplicate of ${stored.event.seq}` : stored.event.seq
  } catch (error) {
    return error instanceof ParleyError ? error.code : `fault: ${error instanceof Error ? error.message : error}`
  }
}

export function bodiesOf(events: readonly StoredEvent[]): string[] {
  return events.map(({ event }) => `${event.seq} ${event.type === 'message.posted' ? event.data.body : event.type}`)
}
