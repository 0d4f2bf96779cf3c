// The fault matrix on demand: `npm run faults -- --seeds 20`. Exits with 1 when anything acknowledged was lost, doubled or put elsewhere.
import { parseArgs } from 'node:util'
import { throwLifeline } from '../harness/processes/lifeline.ts'
import { seedOf } from '../harness/random.ts'
import { runStorm } from './load/storm.ts'
import { type Line, machine, repeat, tableOf } from './report.ts'
import { type RowName, rows } from './rows.ts'
import { isWell, type Outcome, runRow } from './run-row.ts'
import { runSocketIo } from './socket-io.ts'

/** Beside Parley's row of cut networks. What these lose is told, and fails nothing. */
const comparisons: Record<string, { what: string; recovers: boolean }> = {
  'socket-io': { what: 'the same cuts: Socket.IO, state recovery', recovers: true },
  'socket-io-defaults': { what: 'the same cuts: Socket.IO as it comes', recovers: false },
}
/** Everyone comes back at once: one run, whatever the seeds. */
const STORM = 'storm'
const STORM_CLIENTS = 5_000
const MOST_SHOWN = 5

const { seeds, names } = readArguments()
// A run that is killed, or fails in a way that nobody thought of, leaves no hub behind.
throwLifeline()
console.log(`Fault matrix: ${seeds.length} seeds from ${seeds[0]}; ${machine()}`)
const lines: Line[] = []
for (const name of names) if (name !== STORM) lines.push(await runLine(name))
if (lines.length > 0) console.log(`\n${tableOf(lines)}\n`)
const isStormWell = names.includes(STORM) ? await runStormLine() : true
console.log(
  'Times run from the end of the fault; median, and the largest in brackets. "All": every writer has a new frame acknowledged, every',
)
console.log('reader all of that. Lost: sent, and not in the log or not told to everyone. Twice: in the log, or to a reader. Other: another')
console.log('order, another content, a chain that does not hold, a fault that the hub logged.')

const failed = lines
  .filter(({ name }) => !(name in comparisons))
  .flatMap(({ name, outcomes }) => outcomes.filter((one) => !isWell(one)).map(({ seed }) => ({ name, seed })))
for (const { name, seed } of failed) console.log(`FAILED: ${name}, seed ${seed}. Again: ${repeat(name, seed)}`)
process.exitCode = failed.length === 0 && isStormWell ? 0 : 1

async function runStormLine(): Promise<boolean> {
  const { clients, live, rooms, ms, lost, twice, holes, reads, retries } = await runStorm(STORM_CLIENTS)
  const isWell = live === clients && lost + twice + holes === 0 && reads <= rooms
  console.log(
    `storm: ${clients} clients come back at once, 100 events behind, to a hub that was killed: ${live} live after ${Math.round(ms)} ms,`,
  )
  console.log(`${lost} lost, ${twice} twice, ${holes} passed over; ${rooms} rooms, ${reads} reads; ${retries} connections tried again`)
  if (!isWell) console.log('FAILED: storm. Again: npm run faults -- --only storm')
  return isWell
}

async function runLine(name: string): Promise<Line> {
  const comparison = comparisons[name]
  if (comparison !== undefined) {
    return { name, what: comparison.what, outcomes: await runSocketIo(comparison, seeds, (outcome) => tell(name, outcome)) }
  }
  const row = name as RowName
  return { name, what: rows[row].what, outcomes: await runRow(row, seeds, (outcome) => tell(name, outcome)) }
}

function tell(name: string, { seed, acked, lost, twice, other, recovery }: Outcome): void {
  const times = recovery === undefined ? 'no recovery' : `first ${Math.round(recovery.first_ms)} ms, all ${Math.round(recovery.all_ms)} ms`
  console.log(`${name}, seed ${seed}: ${acked} acknowledged, ${lost.length} lost, ${twice.length} twice, ${other.length} other; ${times}`)
  if (name in comparisons) return
  for (const fault of [...lost, ...twice, ...other].slice(0, MOST_SHOWN)) console.log(`  ${fault}`)
}

function readArguments(): { seeds: number[]; names: string[] } {
  const { values } = parseArgs({ options: { seeds: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } } })
  const count = Number(values.seeds ?? 20)
  const first = values.seed === undefined ? seedOf('PARLEY_FAULT_SEED') : Number(values.seed)
  if (!(count >= 1 && count <= 1_000) || !Number.isInteger(first)) refuse('--seeds is a number from 1 to 1000, --seed a whole number')
  const known = [...Object.keys(rows), ...Object.keys(comparisons), STORM]
  const names = values.only?.split(',') ?? known
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) refuse(`There is no row ${unknown.join(', ')}. There are ${known.join(', ')}`)
  return { seeds: Array.from({ length: count }, (_, at) => first + at), names: known.filter((name) => names.includes(name)) }
}

function refuse(why: string): never {
  console.error(`faults: ${why}`)
  process.exit(2)
}
