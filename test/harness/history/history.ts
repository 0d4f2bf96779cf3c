import { createHash, hash } from 'node:crypto'
import type { WireEvent } from '../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../shared/rules/canonical-json.ts'

export type FaultKind =
  /** Acknowledged, and not in the log. */
  | 'lost'
  /** One key in the log twice. */
  | 'doubled'
  /** Acknowledged with another place or chain than the log has. */
  | 'misplaced'
  /** A client's own frames are not in the order in which it sent them. */
  | 'reordered'
  /** In the log, and nobody sent it; or it holds something else than was sent. */
  | 'forged'
  /** The log's numbers have a hole, or its chain does not verify. */
  | 'hole'
  | 'chain'
  /** A client saw another event than the log has at that place, one twice, or passed one over. */
  | 'seen-differs'
  | 'seen-twice'
  | 'seen-hole'
  /** Sent, and never answered. */
  | 'unanswered'
  /** A call with more outcomes than one, with none, or with a seal that its text does not have. */
  | 'ended-twice'
  | 'never-ended'
  | 'seal'

export interface Fault {
  kind: FaultKind
  about: string
}

interface Frame {
  contract_id: string
  by: string
  key: string
  body: string
  turn: number
  /** Was told to try again later, so that frames behind it may have passed it. */
  wasPutOff: boolean
  acks: { seq: number; chain?: string }[]
}

interface Watch {
  client: string
  contract_id: string
  /** The place behind which it sees; undefined = the first event that it sees says so. */
  place: number | undefined
  seen: WireEvent[]
}

/**
 * Everything that happened in a test as its clients saw it, and what it must have come to: each acknowledged frame is in the log
 * once, at the place that was acknowledged; one gapless order for all, tied by its chain; every client's own frames in its own order;
 * nothing that nobody sent. It takes no part of the hub for its proof: digests and chains are computed anew.
 */
export function createHistory() {
  const frames = new Map<string, Frame>()
  const watches: Watch[] = []
  const logs = new Map<string, readonly WireEvent[]>()
  const texts = new Map<string, string>()
  const authors = new Set<string>()
  let turns = 0

  const nameOf = (contract_id: string, by: string, key: string) => `${contract_id} ${by} ${key}`

  /** Note it before it is sent. The same key again keeps its turn: it is the same frame. */
  function sent(contract_id: string, by: string, { key, body }: { key: string; body: string }): void {
    authors.add(by)
    const name = nameOf(contract_id, by, key)
    if (!frames.has(name)) frames.set(name, { contract_id, by, key, body, turn: turns++, wasPutOff: false, acks: [] })
  }

  function acked(contract_id: string, by: string, ack: { key: string; seq: number; chain?: string }): void {
    frames.get(nameOf(contract_id, by, ack.key))?.acks.push(ack)
  }

  /** It was refused with `retry: later`, and those behind it may not have been. */
  function putOff(contract_id: string, by: string, key: string): void {
    const frame = frames.get(nameOf(contract_id, by, key))
    if (frame !== undefined) frame.wasPutOff = true
  }

  /** A connection that sees a contract's events from a place on. Each new one, after a reconnect too, is a watch of its own. */
  function watch(client: string, contract_id: string, place?: number): (events: readonly WireEvent[]) => void {
    const one: Watch = { client, contract_id, place, seen: [] }
    watches.push(one)
    return (events) => void one.seen.push(...events)
  }

  /** The whole log at the end, as a reader who may see everything got it. */
  function log(contract_id: string, events: readonly WireEvent[]): void {
    logs.set(contract_id, events)
  }

  /** What a call's streamed text was at the end, as it is served. */
  function text(call_id: string, served: string): void {
    texts.set(call_id, served)
  }

  /** All faults, none left out. `complete`: everything that was sent has been answered, and every call has ended. */
  function faults({ complete = true }: { complete?: boolean } = {}): Fault[] {
    return [
      ...[...logs].flatMap(([contract_id, events]) => [
        ...orderFaults(contract_id, events),
        ...authorFaults(contract_id, events),
        ...callFaults(events, { texts, complete }),
      ]),
      ...[...frames.values()].flatMap((frame) => ackFaults(frame, { log: logs.get(frame.contract_id), complete })),
      ...watches.flatMap((one) => watchFaults(one, logs.get(one.contract_id) ?? [])),
    ]
  }

  function authorFaults(contract_id: string, events: readonly WireEvent[]): Fault[] {
    const found: Fault[] = []
    const places = new Map<string, number>()
    const turnOf = new Map<string, number>()
    for (const event of events) {
      if (!('key' in event)) continue
      const by = event.by.id
      const name = nameOf(contract_id, by, event.key)
      const where = `${event.seq} by ${by} under ${event.key}`
      if (places.has(name)) found.push({ kind: 'doubled', about: `${where}, and at ${places.get(name)}` })
      places.set(name, event.seq)
      const frame = frames.get(name)
      if (event.type === 'message.posted' && authors.has(by) && (frame === undefined || event.data.body !== frame.body)) {
        found.push({ kind: 'forged', about: where })
      }
      if (frame === undefined || frame.wasPutOff) continue
      if (frame.turn < (turnOf.get(by) ?? -1)) found.push({ kind: 'reordered', about: where })
      turnOf.set(by, Math.max(frame.turn, turnOf.get(by) ?? -1))
    }
    return found
  }

  return {
    ...{ sent, acked, putOff, watch, log, text, faults },
    counts: () => ({
      sent: frames.size,
      acked: [...frames.values()].filter(({ acks }) => acks.length > 0).length,
      seen: watches.reduce((sum, { seen }) => sum + seen.length, 0),
      recorded: [...logs.values()].reduce((sum, { length }) => sum + length, 0),
    }),
  }
}

export type History = ReturnType<typeof createHistory>

const sha256 = (data: string | Buffer) => hash('sha256', data, 'hex')

function orderFaults(contract_id: string, events: readonly WireEvent[]): Fault[] {
  let chain = sha256(`contract:${contract_id}`)
  for (const [at, event] of events.entries()) {
    if (event.seq !== at + 1) return [{ kind: 'hole', about: `${contract_id}: ${event.seq} at place ${at + 1}` }]
    const digest = 'digest' in event ? event.digest : digestOf(event)
    chain = sha256(Buffer.from(chain + digest, 'hex'))
    if (event.chain !== chain) return [{ kind: 'chain', about: `${contract_id}: ${event.seq}` }]
  }
  return []
}

function digestOf({ chain: _, ...event }: WireEvent): string {
  return sha256(canonicalJson(event))
}

function ackFaults({ by, key, acks }: Frame, { log, complete }: { log: readonly WireEvent[] | undefined; complete: boolean }): Fault[] {
  if (acks.length === 0) return complete ? [{ kind: 'unanswered', about: `${by} ${key}` }] : []
  return acks.flatMap(({ seq, chain }): Fault[] => {
    const event = log?.[seq - 1]
    const about = `${by} ${key}, acknowledged at ${seq}`
    const place = log?.findIndex((one) => 'key' in one && one.key === key && one.by.id === by) ?? -1
    if (place === -1) return [{ kind: 'lost', about }]
    if (event?.seq !== seq || place !== seq - 1 || (chain !== undefined && chain !== event.chain)) {
      return [{ kind: 'misplaced', about: `${about}, is at ${place + 1}` }]
    }
    return []
  })
}

function watchFaults({ client, contract_id, place, seen }: Watch, log: readonly WireEvent[]): Fault[] {
  let last = place ?? (seen[0]?.seq ?? 1) - 1
  return seen.flatMap((event): Fault[] => {
    const about = `${client} in ${contract_id}: ${event.seq} after ${last}`
    if (event.seq <= last) return [{ kind: 'seen-twice', about }]
    const found: Fault[] = event.seq > last + 1 ? [{ kind: 'seen-hole', about }] : []
    last = event.seq
    return event.chain === log[event.seq - 1]?.chain ? found : [...found, { kind: 'seen-differs', about }]
  })
}

const terminals = /^call\.(succeeded|failed|canceled|timed_out|abandoned|denied|expired)$/

function callFaults(events: readonly WireEvent[], { texts, complete }: { texts: ReadonlyMap<string, string>; complete: boolean }): Fault[] {
  const found: Fault[] = []
  const ended = new Map<string, number>()
  const asked = new Set<string>()
  for (const event of events) {
    if (!('data' in event) || !('call_id' in event.data)) continue
    const { call_id } = event.data
    if (event.type === 'call.requested') asked.add(call_id)
    if (ended.has(call_id)) found.push({ kind: 'ended-twice', about: `${call_id}: ${event.type} at ${event.seq}` })
    if (!terminals.test(event.type)) continue
    ended.set(call_id, event.seq)
    const served = texts.get(call_id)
    const seal = 'stream' in event.data ? event.data.stream : undefined
    if (served !== undefined && !fits(seal, served)) found.push({ kind: 'seal', about: `${call_id} at ${event.seq}` })
  }
  const open = [...asked].filter((call_id) => !ended.has(call_id))
  return complete ? [...found, ...open.map((about): Fault => ({ kind: 'never-ended', about }))] : found
}

function fits(seal: { bytes: number; sha256: string } | undefined, served: string): boolean {
  if (seal === undefined) return served === ''
  return seal.bytes === Buffer.byteLength(served) && seal.sha256 === createHash('sha256').update(served).digest('hex')
}
