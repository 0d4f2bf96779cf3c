import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { plot } from './plot.ts'
import { type Profiled, profileTables } from './profile/profiled.ts'
import { machine, table } from './report.ts'
import { createRig, type Rig } from './rig.ts'
import type { Line, Plan } from './rounds.ts'
import { calls } from './rows/calls.ts'
import { drops, memory } from './rows/connections.ts'
import { databases, durableFanOut, ephemeralFanOut } from './rows/fan-out.ts'
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
  },
})
const wanted = values.only?.flatMap((names) => names.split(',')) ?? Object.keys(rows)
const unknown = wanted.filter((name) => !Object.hasOwn(rows, name))
if (unknown.length > 0) {
  console.error(`no such row: ${unknown.join(', ')}; there are ${Object.keys(rows).join(', ')}`)
  process.exit(2)
}
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5))
const lengths = values.quick
  ? { quick: true, rounds, first_ms: 500, warm_ms: 150, window_ms: 400 }
  : { quick: false, rounds, first_ms: 2_000, warm_ms: 250, window_ms: 800 }
const profiles: Profiled[] = []
const plan: Plan = {
  ...lengths,
  ...(values.against === undefined ? {} : { against: values.against }),
  ...(values.profile ? { profiles } : {}),
}

const began = performance.now()
const words = `${machine()}; ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, windows of ${plan.window_ms} ms`
const lines: Line[] = []
let failed = 0
const controller = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort())

for (const name of wanted) {
  if (controller.signal.aborted) break
  const at = performance.now()
  const rig = await createRig()
  controller.signal.addEventListener('abort', () => void rig.close())
  try {
    lines.push(...((await rows[name]?.(rig, plan)) ?? []))
  } catch (error) {
    failed++
    console.error(`${name} failed:`, error)
  } finally {
    await rig.close()
  }
  console.error(`${name}: ${((performance.now() - at) / 1_000).toFixed(0)} s`)
}

const out = values.out ?? fileURLToPath(new URL('.', import.meta.url))
const seconds = Math.round((performance.now() - began) / 1_000)
await writeFile(`${out}/results.json`, `${JSON.stringify({ machine: words, at: new Date().toISOString(), seconds, lines }, null, 2)}\n`)
await writeFile(`${out}/results.svg`, plot(lines, words))
console.log(`${words}\n\n${table(lines)}\n\n${seconds} s in all`)
if (profiles.length > 0) console.log(`\n${profiles.map(profileTables).join('\n\n')}`)
process.exit(failed === 0 && !controller.signal.aborted ? 0 : 1)
