/** Beside the hub's own in one environment: what its clients and its tests read. */
const OF_OTHERS = /^PARLEY_(URL|KEY|TOKEN|TEST_\w+)$/
/** So many letters may be wrong in a name that is still meant to be another one. */
const MOST_SLIPS = 3

export interface UnknownSetting {
  name: string
  /** The setting that it looks like. */
  nearest?: string
}

/** What begins as the hub's settings do and is none of them: most likely a slip, which would otherwise go unnoticed. Never a value. */
export function unknownSettings(env: NodeJS.ProcessEnv, known: readonly string[]): UnknownSetting[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('PARLEY_') && env[name] !== '' && !known.includes(name) && !OF_OTHERS.test(name))
    .toSorted()
    .map((name) => ({ name, ...nearestOf(name, known) }))
}

function nearestOf(name: string, known: readonly string[]): { nearest?: string } {
  const [nearest] = known.map((other) => ({ other, slips: slipsBetween(name, other) })).toSorted((a, b) => a.slips - b.slips)
  return nearest !== undefined && nearest.slips <= MOST_SLIPS ? { nearest: nearest.other } : {}
}

/** How many letters must be put in, taken out or changed to make one name of the other (Levenshtein). */
function slipsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (const [at, letter] of [...one].entries()) {
    const next = [at + 1]
    for (const [place, expected] of [...other].entries()) {
      const [diagonal = 0, above = 0, left = 0] = [row[place], row[place + 1], next[place]]
      next.push(Math.min(above + 1, left + 1, diagonal + (letter === expected ? 0 : 1)))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
