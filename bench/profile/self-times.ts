import type { Profiler } from 'node:inspector'

/** Where a function's own time counts: a folder of ours, a package, Node itself. */
export interface SelfTime {
  group: string
  name: string
  /** Own time in the profile, without what it called. */
  us: number
}

const IDLE = new Set(['(idle)', '(root)'])
const COLLECTION = 'garbage collection'
const NATIVE = 'V8 and system calls'

/** The own time of each function in a profile, most first. The time in which nothing was to do is left out. */
export function selfTimes({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): SelfTime[] {
  const byNode = new Map<number, number>()
  samples.forEach((id, at) => {
    byNode.set(id, (byNode.get(id) ?? 0) + (timeDeltas[at] ?? 0))
  })
  const times = new Map<string, SelfTime>()
  for (const { id, callFrame } of nodes) {
    const { functionName, url } = callFrame
    const us = byNode.get(id) ?? 0
    // The profiler's own beginning and end are no work of the hub's.
    if (us <= 0 || IDLE.has(functionName) || url.startsWith('node:inspector')) continue
    const group = groupOf(functionName, url)
    const name = functionName === '' ? `(unnamed, line ${callFrame.lineNumber + 1})` : functionName
    const known = times.get(`${group} ${name}`)
    if (known === undefined) times.set(`${group} ${name}`, { group, name, us })
    else known.us += us
  }
  return [...times.values()].sort((a, b) => b.us - a.us)
}

/** The own time of each group, most first. */
export function groupTimes(times: readonly SelfTime[]): { group: string; us: number }[] {
  const groups = new Map<string, number>()
  for (const { group, us } of times) groups.set(group, (groups.get(group) ?? 0) + us)
  return [...groups].map(([group, us]) => ({ group, us })).sort((a, b) => b.us - a.us)
}

function groupOf(functionName: string, url: string): string {
  if (functionName === '(garbage collector)') return COLLECTION
  if (url === '') return NATIVE
  if (url.startsWith('node:')) return 'node'
  const path = url.split('/node_modules/').at(-1) ?? ''
  if (path !== url) return path.split('/', path.startsWith('@') ? 2 : 1).join('/')
  return /\/(server\/[^/]+|shared)\//.exec(url)?.[1] ?? 'other'
}
