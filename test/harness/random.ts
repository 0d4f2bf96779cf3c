/** Chance that can be repeated: the same seed gives the same numbers (mulberry32). */
export interface Random {
  /** From 0 up to, and without, the bound. */
  below(bound: number): number
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { below: (bound) => Math.floor(next() * bound) }
}

/** The seed that the environment names, or a new one. A test prints it, so that a failure can be repeated. */
export function seedOf(variable: string): number {
  const given = Number(process.env[variable])
  return Number.isInteger(given) && given > 0 ? given : 1 + Math.floor(Math.random() * 2 ** 31)
}
