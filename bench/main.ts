import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { intoReadme } from './into-readme.ts'
import { plot } from './plot.ts'
import { type Profiled, profileTables } from './profile/profiled.ts'
import { machine, table, targets } from './report.ts'
import { createRig, type Rig } from './rig.ts'
import type { Line, Plan } from './rounds.ts'
import { calls } from './rows/calls.ts'
import { drops, memory } from './rows/connections.ts'
import { databases, durableFanOut, ephemeralFanOut, skipped } from './rows/fan-out.ts'
import { nodes } from './rows/nodes.ts'
import { requests } from './rows/requests.ts'
import { resume } from './rows/resume.ts'

const rows: Record<string, (rig: Rig, plan: Plan) => Promise<Line[]>> = {
  B1: ephemeralFanOut,
  B2: durableFanOut,
  B3: resume,
  B4: drops,
  B5: memory,
  B6: calls,
  B8: databases,
  B10: nodes,
  B13: requests,
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string' },
    against: { type: 'string' },
    profile: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '20' },
  },
})
/** So long a run may take, whatever hangs. */
const most_ms = Number(values.minutes) * 60_000
if (!(most_ms > 0)) {
  console.error('--minutes: a number above 0')
  process.exit(2)
}
/** By then the last row has begun: what is left is for it, with as few rounds as it needs. */
const LAST_BEGINS = 0.85
/** For the children to end, and the table. */
const GOODBYE_MS = 30_000
const wanted = values.only?.flatMap((names) => names.split(',')) ?? Object.keys(rows)
const unknown = wanted.filter((name) => !Object.hasOwn(rows, name))
if (unknown.length > 0) {
  console.error(`no such row: ${unknown.join(', ')}; there are ${Object.keys(rows).join(', ')}`)
  process.exit(2)
}
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5))
const lengths = values.quick
  ? { quick: true, rounds, first_ms: 250, most_first: 3, warm_ms: 150, window_ms: 400 }
  : { quick: false, rounds, first_ms: 700, most_first: 10, warm_ms: 250, window_ms: 800 }
const began = performance.now()
const say = (text: string) => console.error(`${((performance.now() - began) / 1_000).toFixed(0).padStart(5)} s  ${text}`)
const profiles: Profiled[] = []
const plan: Plan = {
  ...{ ...lengths, until: began + most_ms * LAST_BEGINS, say },
  ...(values.against === undefined ? {} : { against: values.against }),
  ...(values.profile ? { profiles } : {}),
}

const words = `${machine()}; ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, windows of ${plan.window_ms} ms`
const lines: Line[] = []
let failed = 0
const controller = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end(`${signal}`))
setTimeout(() => end(`the ${values.minutes} minutes are over`), most_ms).unref()

for (const name of wanted) {
  if (controller.signal.aborted) break
  if (performance.now() > plan.until) {
    say(`${name}: no time left; run it with --only ${name}`)
    lines.push({ ...skipped(name, 'not run'), note: 'no time was left for it' })
    continue
  }
  say(`${name} begins`)
  const rig = await createRig()
  controller.signal.addEventListener('abort', () => void rig.close())
  try {
    controller.signal.throwIfAborted()
    lines.push(...((await rows[name]?.(rig, plan)) ?? []))
  } catch (error) {
    failed++
    console.error(`${name} failed:`, error)
  } finally {
    await rig.close()
  }
}

await finish()
process.exit(failed === 0 && !controller.signal.aborted ? 0 : 1)

function end(why: string): void {
  if (controller.signal.aborted) return
  say(`${why}: what is not done is left out`)
  controller.abort()
  setTimeout(() => void finish().finally(() => process.exit(1)), GOODBYE_MS).unref()
}

/** Writes what there is; also where the rest does not come to an end. */
async function finish(): Promise<void> {
  const out = values.out ?? fileURLToPath(new URL('.', import.meta.url))
  const seconds = Math.round((performance.now() - began) / 1_000)
  await writeFile(`${out}/results.json`, `${JSON.stringify({ machine: words, at: new Date().toISOString(), seconds, lines }, null, 2)}\n`)
  await writeFile(`${out}/results.svg`, plot(lines, words))
  const run = `${words}\n\n${table(lines)}\n\n${seconds} s in all`
  const times = profiles.map(profileTables).join('\n\n')
  console.log([run, targets(lines), times].filter(Boolean).join('\n\n'))
  if (values.publish) await intoReadme({ run, targets: targets(lines), ...(values.profile ? { profile: times } : {}) })
}
