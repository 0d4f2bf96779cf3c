import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Hub } from '../../client/sdk/index.ts'
import type { WireEvent } from '../../shared/protocol/index.ts'
import type { History } from '../harness/history/history.ts'
import type { Person } from '../harness/people.ts'
import type { Random } from '../harness/random.ts'

const IN_FLIGHT = 4
const PACE_MS = 20
const PARTS = 12
const PART_EVERY_MS = 8
/** Well below the default, so that a frame whose answer was lost goes again while the fault is looked at. */
const ACK_MS = 3_000

interface About {
  url: string
  person: Person
  rooms: readonly string[]
  history: History
}

export interface SdkClient {
  /** As a reader. */
  name: string
  /** Posts no more; resolves when all that it gave is acknowledged. */
  finish(): Promise<void>
  /** What it gave and the hub refused for good, or the sdk gave up. */
  refused: string[]
  close(): Promise<void>
}

/** Reads its rooms from their first event, through whatever happens. */
export async function startSdkReader({ url, person, rooms, history }: About): Promise<SdkClient> {
  const hub = await connectQuietly(url, person)
  const name = `sdk reader ${person.id}`
  for (const contract_id of rooms) await readAll(hub, { contract_id, name, since: 0, history })
  return { name, finish: async () => undefined, refused: [], close: () => hub.close() }
}

/** Reads and posts by the sdk, which has to bring each post home by itself. */
export async function startSdkWriter({ url, person, rooms, history, random }: About & { random: Random }): Promise<SdkClient> {
  const hub = await connectQuietly(url, person)
  const name = `sdk ${person.id}`
  const refused: string[] = []
  const given = new Set<Promise<void>>()
  let isFinishing = false
  for (const contract_id of rooms) await readAll(hub, { contract_id, name, history })
  const running = run()

  async function run(): Promise<void> {
    for (let at = 0; !isFinishing; at++) {
      const contract_id = rooms[random.below(rooms.length)] ?? ''
      const frame = { key: `sdk-${at}`, body: `${person.id} says ${at} by the sdk` }
      history.sent(contract_id, person.id, frame)
      const post: Promise<void> = give(contract_id, frame).finally(() => given.delete(post))
      given.add(post)
      if (given.size >= IN_FLIGHT) await Promise.race(given)
      await delay(PACE_MS)
    }
  }

  async function give(contract_id: string, { key, body }: { key: string; body: string }): Promise<void> {
    try {
      const room = await hub.room(contract_id)
      history.acked(contract_id, person.id, { key, ...(await room.post(body, { key })) })
    } catch (error) {
      refused.push(`${key}: ${error instanceof Error ? error.message : error}`)
    }
  }

  return {
    ...{ name, refused },
    finish: async () => {
      isFinishing = true
      await running
      await Promise.all(given)
    },
    close: () => hub.close(),
  }
}

export interface SdkAgent {
  /** The text that a call of `count` streams. */
  text: string
  close(): Promise<void>
}

/** An agent by the sdk with the tool `count`, which streams its parts and returns their number. */
export async function startSdkAgent({ url, person }: Pick<About, 'url' | 'person'>): Promise<SdkAgent> {
  const hub = await connectQuietly(url, person)
  const parts = Array.from({ length: PARTS }, (_, at) => `part ${at}, été\n`)
  hub.tool({
    ...{ name: 'count', description: 'Counts', input: { type: 'object' } },
    async *run() {
      for (const part of parts) {
        yield part
        await delay(PART_EVERY_MS)
      }
      return parts.length
    },
  })
  await hub.ready()
  return { text: parts.join(''), close: () => hub.close() }
}

export interface SdkCaller {
  /** Calls no more; the ids of those it asked for, each ended with the agent's output. */
  finish(): Promise<string[]>
  failed: string[]
  close(): Promise<void>
}

/** Calls `count`, once more as soon as it ended, and reads what it streams. */
export async function startSdkCaller({
  url,
  person,
  contract_id,
}: Pick<About, 'url' | 'person'> & { contract_id: string }): Promise<SdkCaller> {
  const hub = await connectQuietly(url, person)
  const room = await hub.room(contract_id)
  const ids: string[] = []
  const failed: string[] = []
  let isFinishing = false
  const running = run()

  async function run(): Promise<void> {
    for (let at = 0; !isFinishing; at++) {
      const call = room.call<number>('count', {}, { key: `count-${at}`, timeout_ms: 60_000 })
      try {
        ids.push((await call.requested).call_id)
        const output = await call.result()
        if (output !== PARTS) failed.push(`count-${at} gave ${output}`)
      } catch (error) {
        failed.push(`count-${at}: ${error instanceof Error ? error.message : error}`)
      }
    }
  }

  return {
    failed,
    finish: async () => {
      isFinishing = true
      await running
      return ids
    },
    close: () => hub.close(),
  }
}

async function connectQuietly(url: string, { auth }: Person): Promise<Hub> {
  const hub = await connect({ url, ...auth, ack_timeout_ms: ACK_MS })
  // Lost connections are what this is about.
  hub.on('problem', () => undefined)
  return hub
}

async function readAll(
  hub: Hub,
  { contract_id, name, since, history }: { contract_id: string; name: string; since?: number; history: History },
): Promise<void> {
  const room = await hub.room(contract_id, since === undefined ? {} : { since })
  const from = since ?? room.place.seq
  const see = history.watch(name, contract_id, from)
  void (async () => {
    for await (const event of room.events({ since: from })) if (event.type !== 'room.reset') see([event as WireEvent])
  })().catch((error: unknown) => console.error(`${name} cannot read on`, error))
}
