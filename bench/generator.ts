import { runCuts } from './cuts.ts'
import { Lane, type LaneSpec, type LoadResult, type LoadSpec, openAll } from './lane.ts'
import { Member, type MemberSpec } from './member.ts'

export interface GetSpec {
  port: number
  path: string
  bearer?: string
  count: number
  outstanding: number
}

/** The load generator: a process of its own that does what the runner asks, one thing after the other. */
const lanes = new Map<string, Lane>()
let herd: Member[] = []

export const operations = {
  async open(spec: LaneSpec): Promise<void> {
    const lane = new Lane(spec)
    lanes.set(spec.name, lane)
    await lane.open()
  },
  async close({ name }: { name: string }): Promise<void> {
    lanes.get(name)?.close()
    lanes.delete(name)
  },
  async load(load: LoadSpec): Promise<LoadResult> {
    const lane = lanes.get(load.lane)
    if (lane === undefined) throw new Error(`no lane ${load.lane}`)
    return lane.load(load)
  },
  /** Opens connections that stay. Answers how long it took until all were ready, and what they were told until then. */
  async gather(specs: MemberSpec[]): Promise<{ ms: number; deliveries: number; twice: number; holes: number }> {
    const at = performance.now()
    const members = specs.map((spec) => new Member(spec))
    herd.push(...members)
    await openAll(members)
    const sum = (of: (member: Member) => number) => members.reduce((total, member) => total + of(member), 0)
    const told = { deliveries: sum((one) => one.deliveries), twice: sum((one) => one.twice), holes: sum((one) => one.holes) }
    return { ms: performance.now() - at, ...told }
  },
  async scatter(): Promise<{ pid: string; offset: string; last: number }[]> {
    const left = herd.map(({ pid, offset, last }) => ({ pid, offset, last }))
    for (const member of herd) member.cut()
    herd = []
    return left
  },
  /** Waits until those who are gathered were told so many events in all, or no more come. */
  async hear({ deliveries, ms }: { deliveries: number; ms: number }): Promise<{ deliveries: number; ms: number }> {
    const at = performance.now()
    const heard = () => herd.reduce((total, member) => total + member.deliveries, 0)
    while (heard() < deliveries && performance.now() - at < ms) await new Promise(setImmediate)
    return { deliveries: heard(), ms: performance.now() - at }
  },
  async ask({ at, type, payload }: { at: number; type: string; payload: object }): Promise<string> {
    const member = herd[at]
    if (member === undefined) throw new Error(`nobody at ${at}`)
    return member.request(type, payload)
  },
  /** Asks a route so often, so many at once. Rejects when an answer is not 200. */
  async get({ port, path, bearer, count, outstanding }: GetSpec): Promise<{ ms: number }> {
    const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }
    const at = performance.now()
    let left = count
    const one = async () => {
      while (left-- > 0) {
        const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
        await response.arrayBuffer()
        if (response.status !== 200) throw new Error(`${path} answered ${response.status}`)
      }
    }
    await Promise.all(Array.from({ length: outstanding }, one))
    return { ms: performance.now() - at }
  },
  cuts: runCuts,
}

export type Operations = typeof operations

process.on('disconnect', () => process.exit(0))
process.on('message', (asked: { id: number; name: keyof Operations; argument: never }) => {
  const work = operations[asked.name](asked.argument) as Promise<unknown>
  work.then(
    (result) => process.send?.({ id: asked.id, result: result ?? null }),
    (error: Error) => process.send?.({ id: asked.id, error: error.stack }),
  )
})
process.send?.({ port: 0 })
