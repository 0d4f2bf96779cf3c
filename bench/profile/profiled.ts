import { readFile } from 'node:fs/promises'
import type { Profiler } from 'node:inspector'
import { fileURLToPath } from 'node:url'
import type { LoadSpec } from '../lane.ts'
import type { Rig } from '../rig.ts'
import type { Plan } from '../rounds.ts'
import { groupTimes, type SelfTime, selfTimes } from './self-times.ts'

/** Where a hub's processor time goes under one load. */
export interface Profiled {
  row: string
  work: string
  outstanding: string
  /** What is counted, and how many there were. */
  unit: string
  count: number
  times: SelfTime[]
}

const WINDOW_MS = 5_000
const WRITTEN_WITHIN_MS = 20_000
const LOOK_EVERY_MS = 50
const MOST_FUNCTIONS = 25
const MOST_GROUPS = 14

/** With `--profile`, what a hub is started with so that it can be profiled. */
export function profilingOf({ directory }: Rig, { profiles }: Plan): { env?: Record<string, string> } {
  if (profiles === undefined) return {}
  const hook = fileURLToPath(new URL('on-signal.ts', import.meta.url))
  return { env: { NODE_OPTIONS: `--import=${hook}`, PARLEY_BENCH_PROFILES: directory } }
}

/** The work under the profiler, behind the rounds that count: a profile makes everything a little slower. The work answers how many it did. */
export async function underProfiler(
  rig: Rig,
  pid: number,
  about: Pick<Profiled, 'row' | 'work' | 'outstanding' | 'unit'> & { run(): Promise<number> },
): Promise<Profiled> {
  const { run, ...words } = about
  process.kill(pid, 'SIGUSR2')
  const count = await run()
  process.kill(pid, 'SIGUSR2')
  const profile = await written(`${rig.directory}/${pid}-${rig.nextProfile(pid)}.cpuprofile`)
  return { ...words, count, times: selfTimes(profile) }
}

/** One window of a load on a lane. */
export async function profiledLoad(
  rig: Rig,
  pid: number,
  { row, work, unit, ...spec }: Pick<LoadSpec, 'lane' | 'kind' | 'outstanding' | 'warm_ms'> & Pick<Profiled, 'row' | 'work' | 'unit'>,
): Promise<Profiled> {
  await rig.generator.do('load', { ...spec, ms: 0 })
  const run = async () => (await rig.generator.do('load', { ...spec, warm_ms: 0, ms: WINDOW_MS })).all
  return underProfiler(rig, pid, { row, work, unit, outstanding: String(spec.outstanding), run })
}

async function written(file: string): Promise<Profiler.Profile> {
  const until = performance.now() + WRITTEN_WITHIN_MS
  for (;;) {
    try {
      return JSON.parse(await readFile(file, 'utf8')) as Profiler.Profile
    } catch (cause) {
      // Not there yet, or not all of it.
      if (performance.now() > until) throw new Error(`no profile at ${file}`, { cause })
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }
}

/** The tables of a profile, in Markdown. */
export function profileTables({ row, work, outstanding, unit, count, times }: Profiled): string {
  const all = times.reduce((sum, { us }) => sum + us, 0)
  const each = (us: number) => (us / count).toFixed(1)
  const share = (us: number) => `${((100 * us) / all).toFixed(1)} %`
  const groups = groupTimes(times).slice(0, MOST_GROUPS)
  return [
    `**${row}, ${work}, ${outstanding} outstanding**: ${each(all)} µs of the hub's main thread a ${unit}, over ${count} of them, by own time:`,
    '',
    ...[`| where | µs a ${unit} | share |`, '| --- | --- | --- |'],
    ...groups.map(({ group, us }) => `| ${group} | ${each(us)} | ${share(us)} |`),
    '',
    ...[`| function | where | µs a ${unit} | share |`, '| --- | --- | --- | --- |'],
    ...times.slice(0, MOST_FUNCTIONS).map(({ name, group, us }) => `| \`${name}\` | ${group} | ${each(us)} | ${share(us)} |`),
  ].join('\n')
}
