import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect } from 'chai'
import mongoose from 'mongoose'
import type { FrameInput, Limits, Permissions, WireEvent } from '../../shared/protocol/index.ts'
import { createManualClock, type ManualClock } from '../harness/clock.ts'
import { startHub, type TestHub, testDatabase } from '../harness/hub.ts'
import { api, type Client, connectAgent, connectAs, openContract, type Person } from '../harness/people.ts'

export type Tools = FrameInput<'agent.tools.register'>['tools']
type Told = WireEvent & { data: Record<string, unknown> }

export const shout = {
  name: 'shout',
  description: 'Says it louder',
  input_schema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'], additionalProperties: false },
} as const

export interface Stage {
  clock: ManualClock
  hub: TestHub
  contract_id: string
  requester: Person
  provider: Person
  /** Said hello; has `shout`. */
  agent: Client & { session_id: string }
  /** The requester, live in the room. */
  human: Client
  /** Calls `shout` and answers when the agent was sent it. */
  call(key: string, client?: Client): Promise<string>
  log(): Promise<Told[]>
  /** What every scenario must leave behind: a hub that answers, without troubles, and a log that verifies. */
  mustBeSound(): Promise<void>
  close(): Promise<void>
}

/** A hub with a hand-moved clock and one contract: a human and an agent, both connected. */
export async function setStage({
  limits,
  permissions,
  tools = [shout],
  clock = createManualClock(),
  like,
}: {
  limits?: Partial<Limits>
  permissions?: Partial<Permissions>
  tools?: Tools
  clock?: ManualClock
  like?: Home
} = {}): Promise<Stage> {
  const hub = await startHub({ clock, ...(limits ? { limits } : {}), ...(like ? { like } : {}) })
  const { contract_id, requester, provider } = await openContract(hub, permissions ? { permissions } : {})
  const agent = await connectAgent(hub, provider, tools)
  const human = await connectAs(hub, requester)
  await human.must('room.join', { contract_id })
  await human.next('live')

  async function call(key: string, client: Client = human): Promise<string> {
    const { call_id } = await client.must('tool.call', { contract_id, key, tool: 'shout', input: { text: 'hello' } })
    await agent.next('core.tool.call', (sent) => sent.call_id === call_id)
    return call_id
  }

  return {
    ...{ clock, hub, contract_id, requester, provider, agent, human, call },
    log: () => readLog(hub, contract_id),
    mustBeSound: () => mustBeSound(hub, contract_id),
    close: async () => {
      agent.close()
      human.close()
      await hub.close()
    },
  }
}

export type Home = Pick<TestHub, 'mongodb_uri' | 'database_name' | 'data_dir'>

const homes: string[] = []

/** A database and a data directory that outlive the hubs on them, and end with the run. */
export async function makeHome(): Promise<Home> {
  const data_dir = await mkdtemp(join(tmpdir(), 'parley-home-'))
  if (homes.push(data_dir) === 1) process.once('exit', forgetHomes)
  return { mongodb_uri: await testDatabase(), database_name: `home_${randomUUID().replaceAll('-', '').slice(0, 20)}`, data_dir }
}

function forgetHomes(): void {
  for (const home of homes) rmSync(home, { recursive: true, force: true })
}

/** The log behind a place, at most 500 events, as staff see it. */
export async function readLog(hub: TestHub, contract_id: string, after = 0): Promise<Told[]> {
  const events: Told[] = []
  for (;;) {
    const path = `/contracts/${contract_id}/events?limit=${500 - events.length}&after=${after + events.length}`
    const { body } = await api<{ events: Told[] }>(hub, 'GET', path, { bearer: hub.operator_token })
    events.push(...body.events)
    if (body.events.length === 0 || events.length === 500) return events
  }
}

export async function mustBeSound(hub: TestHub, contract_id: string): Promise<void> {
  const bearer = hub.operator_token
  expect((await api<{ status: string }>(hub, 'GET', '/health')).body.status).to.equal('ok')
  expect(hub.troubles).to.deep.equal([])
  await until('the log verifies up to its head', async () => {
    const { body } = await api<{ ok: boolean; head: number }>(hub, 'GET', `/contracts/${contract_id}/log/verify`, { bearer })
    expect(body).to.include({ ok: true })
    // What the hub records by itself may come between the two looks.
    return body.head === (await api<{ head: number }>(hub, 'GET', `/contracts/${contract_id}`, { bearer })).body.head
  })
}

/** Looks after every turn of the event loop, until it holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, patience_ms = 45_000): Promise<void> {
  const patience = Date.now() + patience_ms
  while (!(await holds())) {
    if (Date.now() > patience) throw new Error(`waited in vain until ${what}`)
    await new Promise(setImmediate)
  }
}

/**
 * Moves the clock in steps until it holds: what is armed a moment later than the test thinks is not missed. The longer it takes, the slower
 * it goes: what a busy machine does late must not find that the clock has ended credentials and leases meanwhile.
 */
export async function advanceUntil(
  clock: ManualClock,
  what: string,
  holds: () => boolean | Promise<boolean>,
  step_ms = 1_000,
): Promise<void> {
  let steps = 0
  await until(what, async () => {
    if (await holds()) return true
    clock.advance(step_ms)
    await setTimeout(steps++ / 4)
    return false
  })
}

/** The hub's database, as someone who has it in his hands. */
export async function openDatabaseOf(hub: TestHub): Promise<mongoose.Connection> {
  return mongoose.createConnection(hub.mongodb_uri, { dbName: hub.database_name, autoIndex: false, autoCreate: false }).asPromise()
}

/** The refusal's code, or `ok`. */
export function codeOf(answer: { ok: true } | { ok: false; error: { code: string } }): string {
  return answer.ok ? 'ok' : answer.error.code
}

/** Everything that follows from the events so far has been done: what was to be sent stands on the wire. */
export async function settled({ hub }: Stage): Promise<void> {
  const database = await openDatabaseOf(hub)
  await until('nothing is pending', async () => (await database.collection('events').countDocuments({ pending: { $exists: true } })) === 0)
  await database.close()
}
