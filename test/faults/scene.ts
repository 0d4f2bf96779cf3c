import { setTimeout as delay } from 'node:timers/promises'
import type { WireEvent } from '../../shared/protocol/index.ts'
import { startCaller } from '../harness/history/caller.ts'
import type { Fault } from '../harness/history/history.ts'
import { type Poster, startPoster } from '../harness/history/poster.ts'
import { readLog } from '../harness/history/read-log.ts'
import { startStreamingAgent } from '../harness/history/streaming-agent.ts'
import { api, openContract, type Person, registerAgent } from '../harness/people.ts'
import type { Network } from '../harness/processes/network.ts'
import { createRandom } from '../harness/random.ts'
import { createObserved, type Observed } from './observed.ts'
import { startSdkAgent, startSdkCaller, startSdkReader, startSdkWriter } from './sdk-clients.ts'
import type { World } from './world.ts'

/** What a seed came to. */
export interface Verdict {
  acked: number
  /** What clients were told, over all of them. */
  seen: number
  calls: number
  lost: string[]
  twice: string[]
  other: string[]
}

/** People at work in two rooms of a world, each behind a network of its own. */
export interface Scene {
  networks: readonly Network[]
  observed: Observed
  /** The ids of those who post. */
  writers: readonly string[]
  /** Ends the work, waits until all is told and every call has ended, and says what came of it. */
  finish(): Promise<Verdict>
  close(): Promise<void>
}

const PARTS = 20
const POSTERS = 4
const PATIENCE_MS = 60_000

/**
 * Four raw clients that post into both rooms and resume after each cut, one that posts by the sdk, one that reads by the sdk; in the first
 * room an agent on bare Socket.IO that streams and a caller that asks it for one call after the other, in the second both by the sdk.
 */
export async function startScene(world: World, seed: number): Promise<Scene> {
  const random = createRandom(seed)
  const observed = createObserved()
  const networks: Network[] = []
  const closers: (() => unknown)[] = []
  const [requester, ...others] = world.people as [Person, ...Person[]]
  const agents = [await registerAgent(world.hub(), 'Raw'), await registerAgent(world.hub(), 'Sdk')] as const
  const rooms = await Promise.all(agents.map(async (provider) => (await openContract(world.hub(), { requester, provider })).contract_id))
  const [raw_room = '', sdk_room = ''] = rooms

  /** A way of its own for each client, so that each can be cut alone. */
  async function way(): Promise<string> {
    const network = await world.network(networks.length % world.nodes, createRandom(seed + networks.length))
    networks.push(network)
    return network.url
  }

  const agent_url = await way()
  const agent = startStreamingAgent({ person: agents[0], url: () => agent_url, parts: PARTS })
  closers.push(() => agent.close())
  const sdk_agent = await startSdkAgent({ url: await way(), person: agents[1] })
  closers.push(() => sdk_agent.close())
  await agent.ready

  const posters: Poster[] = []
  for (const person of [requester, ...others].slice(0, POSTERS)) {
    const [url, second] = [await way(), world.nodes > 1 ? await way() : undefined]
    const also = second === undefined ? {} : { secondUrl: () => second }
    posters.push(startPoster({ person, rooms, url: () => url, ...also, history: observed, random }))
  }
  closers.push(() => posters.forEach((poster) => void poster.stop()))
  const [, , , writing, reading] = others as [Person, Person, Person, Person, Person]
  const writer = await startSdkWriter({ url: await way(), person: writing, rooms, history: observed, random })
  const reader = await startSdkReader({ url: await way(), person: reading, rooms, history: observed })
  const sdk_caller = await startSdkCaller({ url: await way(), person: requester, contract_id: sdk_room })
  closers.push(() => Promise.all([writer, reader, sdk_caller].map((one) => one.close())))
  const caller_url = await way()
  const caller = startCaller({ person: requester, contract_id: raw_room, url: () => caller_url, ended: agent.ended })
  caller.sleep('sleep')
  // The others go when all of theirs is acknowledged, and need not see what comes after.
  const stayers = [writer.name, reader.name]

  async function finish(): Promise<Verdict> {
    const [asked, counted] = await Promise.all([
      inTime('every call of the raw agent has ended', caller.finish()),
      inTime('every call of the sdk agent has ended', sdk_caller.finish()),
      inTime('the sdk brought home all of its posts', writer.finish()),
      ...posters.map((poster, at) => inTime(`poster ${at} has all acknowledged`, poster.finish())),
    ])
    const slept = new Set(asked.slept)
    const logs = await inTime('the calls that nobody answers have ended', logsWithout(slept))
    const heads = new Map([...logs].map(([contract_id, log]) => [contract_id, log.length]))
    const isTold = await until(() => observed.behind(heads, stayers).length === 0)
    for (const [contract_id, log] of logs) observed.log(contract_id, log)
    const wrong: string[] = [...writer.refused, ...sdk_caller.failed]
    for (const call_id of asked.written) await checkText(raw_room, call_id, agent.textOf(call_id), wrong)
    for (const call_id of counted) await checkText(sdk_room, call_id, sdk_agent.text, wrong)
    for (const contract_id of rooms) await checkChain(contract_id, heads.get(contract_id) ?? 0, wrong)
    const behind = isTold ? [] : observed.behind(heads, stayers).map(({ reader: who, events }) => `${who} was not told ${events} events`)
    const { acked, seen } = observed.counts()
    const calls = asked.written.length + slept.size + counted.length
    return { acked, seen, calls, ...sorted(observed.faults(), { behind, wrong: [...wrong, ...world.errors()] }) }
  }

  /** The logs of both rooms, when the given calls have ended in them. */
  async function logsWithout(open: ReadonlySet<string>): Promise<Map<string, WireEvent[]>> {
    for (;;) {
      const logs = new Map<string, WireEvent[]>()
      for (const contract_id of rooms) logs.set(contract_id, await readLog(world.hub(), contract_id))
      const ended = new Set([...logs.values()].flat().flatMap((event) => (event.type === 'call.timed_out' ? callOf(event) : [])))
      if ([...open].every((call_id) => ended.has(call_id))) return logs
      await delay(50)
    }
  }

  async function checkText(contract_id: string, call_id: string, wanted: string, wrong: string[]): Promise<void> {
    const hub = world.hub()
    const path = `/contracts/${contract_id}/calls/${call_id}/text`
    const { status, body } = await api<string>(hub, 'GET', path, { bearer: hub.operator_token })
    if (status !== 200) {
      wrong.push(`the text of ${call_id} was answered with ${status} ${JSON.stringify(body)}`)
      return
    }
    observed.text(call_id, body)
    if (body !== wanted) wrong.push(`the text of ${call_id} is not what its agent sent`)
  }

  async function checkChain(contract_id: string, head: number, wrong: string[]): Promise<void> {
    const hub = world.hub()
    const path = `/contracts/${contract_id}/log/verify`
    const { body } = await api<{ ok: boolean; head: number }>(hub, 'GET', path, { bearer: hub.operator_token })
    if (!body.ok || body.head !== head) wrong.push(`${contract_id} does not verify up to ${head}: ${JSON.stringify(body)}`)
  }

  return {
    ...{ networks, observed, finish, writers: [...posters.keys()].map((at) => world.people[at]?.id ?? '').concat(writing.id) },
    close: async () => {
      for (const close of closers.splice(0).reverse()) await close()
      for (const network of networks) await network.close()
    },
  }
}

const LOST = /^(lost|unanswered|never-ended)$/
const TWICE = /^(doubled|seen-twice|ended-twice)$/

function sorted(faults: Fault[], { behind, wrong }: { behind: string[]; wrong: string[] }): Pick<Verdict, 'lost' | 'twice' | 'other'> {
  const say = ({ kind, about }: Fault) => `${kind}: ${about}`
  const [lost, twice] = [LOST, TWICE].map((kinds) => faults.filter(({ kind }) => kinds.test(kind)).map(say)) as [string[], string[]]
  const other = faults.filter(({ kind }) => !LOST.test(kind) && !TWICE.test(kind)).map(say)
  return { lost: [...lost, ...behind], twice, other: [...other, ...wrong] }
}

function callOf(event: WireEvent): string[] {
  return 'data' in event && 'call_id' in event.data ? [event.data.call_id] : []
}

async function inTime<T>(what: string, work: Promise<T>): Promise<T> {
  const late = new AbortController()
  const over = delay(PATIENCE_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error(`waited ${PATIENCE_MS / 1_000} s in vain until ${what}`)
  })
  over.catch(() => undefined)
  try {
    return await Promise.race([work, over])
  } finally {
    late.abort()
  }
}

async function until(holds: () => boolean): Promise<boolean> {
  for (const end = performance.now() + PATIENCE_MS / 2; performance.now() < end; await delay(10)) if (holds()) return true
  return false
}
