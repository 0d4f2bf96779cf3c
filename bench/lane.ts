import { cpuOf } from './cpu.ts'
import { Member, type MemberSpec } from './member.ts'

/** One server with its rooms full of members: what is measured against another lane in the same run. */
export interface LaneSpec {
  name: string
  /** Rooms of members. In a room of a stream or of calls, the agent is its own entry. */
  rooms: { members: MemberSpec[]; agent?: MemberSpec }[]
  /** The processes whose CPU counts as the server's. */
  pids: number[]
}

export interface LoadSpec {
  lane: string
  kind: 'post' | 'stream' | 'call'
  warm_ms: number
  ms: number
  /** Posts under way per room; with `rate`, arrivals are Poisson and it is not used. */
  outstanding: number
  /** Posts per second over all rooms, open loop: latency counts from the moment it was meant to be sent. */
  rate?: number
  /** Ends after so many posts of each room rather than by time. */
  count?: number
}

export interface LoadResult {
  ms: number
  /** Of the window, and of the whole load with its warm-up. */
  posts: number
  all: number
  deliveries: number
  refused: number
  /** Deliveries that never came, or came twice, of the whole load. */
  lost: number
  twice: number
  ack_ms: { p50: number; p99: number }
  generator_cpu_us: number
  server_cpu_us: number
}

interface Room {
  key: string
  members: Member[]
  agent?: Member
  call_id?: string
  chunk: number
  turn: number
}

const BODY = 'The quick brown fox jumps over the lazy dog and files the report before noon. '.repeat(2).slice(0, 150)
const OPEN_AT_ONCE = 50
const PATIENCE_MS = 5_000
/** A window with fewer posts says nothing, and is stretched, up to so many times its length. */
const LEAST_POSTS = 50
const LONGEST_STRETCH = 9
/** Between the looks of an open loop at what is due. */
const LOOK_EVERY_MS = 1
let keys = 0

export class Lane {
  readonly spec: LaneSpec
  rooms: Room[] = []

  constructor(spec: LaneSpec) {
    this.spec = spec
  }

  async open(): Promise<void> {
    this.rooms = this.spec.rooms.map(({ members, agent }) => ({
      ...{ key: members[0]?.room ?? '', members: members.map((spec) => new Member(spec)), chunk: 0, turn: 0 },
      ...(agent === undefined ? {} : { agent: new Member(agent) }),
    }))
    await openAll(this.members())
  }

  members(): Member[] {
    return this.rooms.flatMap(({ members, agent }) => [...members, ...(agent ? [agent] : [])])
  }

  close(): void {
    for (const member of this.members()) member.cut()
  }

  /** Runs the load, and answers what was seen in the window behind its warm-up. */
  async load(load: LoadSpec): Promise<LoadResult> {
    if (load.kind === 'call') this.#answerCalls()
    if (load.kind === 'stream') await Promise.all(this.rooms.map((room) => this.#startCall(room)))
    const heard = () => this.rooms.reduce((sum, { members }) => sum + members.reduce((all, { deliveries }) => all + deliveries, 0), 0)
    const twice = () => this.members().reduce((sum, member) => sum + member.twice, 0)
    const before = { heard: heard(), twice: twice() }
    const state = { running: true, under_way: 0, posts: 0, told: 0, refused: 0, latencies: [] as number[], isWindow: false, measured: 0 }
    const done = (room: Room, since: number, answer: string) => {
      state.under_way--
      if (answer.includes('"ok":false')) state.refused++
      else state.told += load.kind === 'call' ? 0 : room.members.length
      if (!state.isWindow) return
      state.measured++
      state.latencies.push(performance.now() - since)
    }
    const send = (room: Room, since: number, then: () => void) => {
      state.under_way++
      state.posts++
      this.#send(room, load.kind, (answer) => {
        done(room, since, answer)
        then()
      })
    }
    if (load.rate !== undefined) arrive(this.rooms, load.rate, () => state.running, send)
    else for (const room of this.rooms) keepFull(room, load, () => state.running, send)
    await sleep(load.warm_ms)
    state.isWindow = true
    const [at, cpu, own, posted, delivered] = [performance.now(), this.#cpu(), process.cpuUsage(), state.measured, heard()]
    if (load.count === undefined) await this.#window(load.ms, () => state.measured)
    else while (state.posts < load.count * this.rooms.length || state.under_way > 0) await sleep(1)
    const ms = performance.now() - at
    const used = process.cpuUsage(own)
    const result = { ms, posts: state.measured - posted, deliveries: heard() - delivered, server_cpu_us: this.#cpu() - cpu }
    state.isWindow = false
    state.running = false
    const until = performance.now() + PATIENCE_MS
    const missing = () => before.heard + state.told - heard()
    while ((state.under_way > 0 || (load.kind !== 'call' && missing() > 0)) && performance.now() < until) await sleep(5)
    return {
      ...result,
      all: state.posts,
      refused: state.refused + state.under_way,
      lost: load.kind === 'call' ? 0 : Math.max(missing(), 0),
      twice: twice() - before.twice,
      ack_ms: { p50: quantile(state.latencies, 0.5), p99: quantile(state.latencies, 0.99) },
      generator_cpu_us: used.user + used.system,
    }
  }

  /** As long as it was asked for; on a slow machine until there is something to count. Nothing for a mere warm-up. */
  async #window(ms: number, measured: () => number): Promise<void> {
    await sleep(ms)
    const until = performance.now() + ms * LONGEST_STRETCH
    while (measured() < LEAST_POSTS && performance.now() < until) await sleep(5)
  }

  #cpu(): number {
    return this.spec.pids.reduce((sum, pid) => sum + cpuOf(pid), 0)
  }

  #send(room: Room, kind: LoadSpec['kind'], onAnswer: (answer: string) => void): void {
    const member = room.members[room.turn++ % room.members.length]
    const writer = kind === 'stream' ? (room.agent ?? member) : member
    if (writer === undefined) return
    const contract_id = room.key
    const key = `b${process.pid}-${++keys}`
    if (writer.spec.dialect !== 'parley') {
      writer.ask(kind === 'call' ? 'call' : 'post', `{"contract_id":"${contract_id}","key":"${key}","body":"${BODY}"}`, onAnswer)
    } else if (kind === 'stream') {
      writer.ask('agent.tool.stream', `{"call_id":"${room.call_id}","seq":${++room.chunk},"chunk":"${BODY}"}`, onAnswer)
    } else if (kind === 'post') {
      writer.ask('message.post', `{"contract_id":"${contract_id}","key":"${key}","body":"${BODY}"}`, onAnswer)
    } else this.#call(room, writer, key, onAnswer)
  }

  /** Answered when the caller sees the outcome in the log. */
  #call(room: Room, caller: Member, key: string, onAnswer: (answer: string) => void): void {
    const payload = `{"contract_id":"${room.key}","key":"${key}","tool":"echo","input":{"body":"${BODY}"}}`
    caller.ask('tool.call', payload, (answer) => {
      const call_id = /"call_id":"([^"]+)"/.exec(answer)?.[1]
      if (call_id === undefined) return onAnswer(answer)
      outcomes.set(call_id, () => onAnswer(answer))
      if (early.delete(call_id)) settle(call_id)
    })
  }

  #answerCalls(): void {
    for (const { members, agent } of this.rooms) {
      for (const member of members) member.onOutcome = settleAll
      if (agent === undefined) continue
      agent.onCall = ({ call_id, id }) => {
        agent.answer(id, agent.spec.dialect === 'parley' ? '' : `{"body":"${BODY}"}`)
        if (agent.spec.dialect === 'parley')
          agent.ask('agent.tool.result', `{"call_id":"${call_id}","status":"succeeded","output":{"body":"${BODY}"}}`, () => {})
      }
    }
  }

  async #startCall(room: Room): Promise<void> {
    const { agent, members } = room
    const [caller] = members
    if (room.call_id !== undefined || agent === undefined || caller === undefined || agent.spec.dialect !== 'parley') return
    const called = new Promise<string>((resolve) => {
      agent.onCall = ({ call_id, id }) => {
        agent.answer(id)
        resolve(call_id)
      }
    })
    await caller.request('tool.call', { contract_id: room.key, key: `stream-${++keys}`, tool: 'echo', input: {} })
    room.call_id = await called
    await sleep(200)
  }
}

const outcomes = new Map<string, () => void>()
const early = new Set<string>()

function settleAll(text: string): void {
  const [, { events }] = JSON.parse(text.slice(text.indexOf('["'))) as [string, { events: { type: string; data?: { call_id: string } }[] }]
  for (const { type, data } of events) if (type === 'call.succeeded' && data !== undefined) settle(data.call_id)
}

function settle(call_id: string): void {
  const run = outcomes.get(call_id)
  if (run === undefined) early.add(call_id)
  outcomes.delete(call_id)
  run?.()
}

type Send = (room: Room, since: number, then: () => void) => void

function keepFull(room: Room, { outstanding, count = Number.POSITIVE_INFINITY }: LoadSpec, isRunning: () => boolean, send: Send): void {
  let sent = 0
  const next = () => {
    if (!isRunning() || sent++ >= count) return
    send(room, performance.now(), next)
  }
  for (let n = 0; n < outstanding; n++) next()
}

function arrive(rooms: Room[], rate: number, isRunning: () => boolean, send: Send): void {
  let due = performance.now()
  let turn = 0
  const look = () => {
    if (!isRunning()) return
    for (const now = performance.now(); due <= now; due += (-Math.log(1 - Math.random()) * 1_000) / rate) {
      const room = rooms[turn++ % rooms.length]
      if (room !== undefined) send(room, due, () => {})
    }
    // By a timer, for one that looks without a pause takes a core from the hub. What it is late counts as latency, like all else.
    setTimeout(look, LOOK_EVERY_MS)
  }
  look()
}

export async function openAll(members: Member[]): Promise<void> {
  const left = [...members]
  const work = async () => {
    for (let member = left.pop(); member !== undefined; member = left.pop()) await member.open()
  }
  await Promise.all(Array.from({ length: OPEN_AT_ONCE }, work))
}

export function quantile(values: number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(Math.floor(sorted.length * at), sorted.length - 1)] ?? Number.NaN
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
