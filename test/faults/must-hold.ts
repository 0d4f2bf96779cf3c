import { expect } from 'chai'
import { seedOf } from '../harness/random.ts'
import { machine, repeat, tableOf } from './report.ts'
import { type RowName, rows } from './rows.ts'
import { isWell, runRow } from './run-row.ts'

const SEEDS = 3

/** A row of the matrix under three new seeds, or those from PARLEY_FAULT_SEED on. */
export async function mustHold(name: RowName): Promise<void> {
  const first = seedOf('PARLEY_FAULT_SEED')
  const outcomes = await runRow(
    name,
    Array.from({ length: SEEDS }, (_, at) => first + at),
  )
  console.log(`      seeds from ${first} (PARLEY_FAULT_SEED), ${machine()}`)
  console.log(tableOf([{ name, what: rows[name].what, outcomes }]).replaceAll(/^/gm, '      '))
  for (const outcome of outcomes)
    expect(isWell(outcome), `${repeat(name, outcome.seed)}\n${JSON.stringify(outcome, null, 2)}`).to.equal(true)
}
