import { RefusedError } from './refused-error.ts'

/**
 * Ends a Node program that cannot go on, with exit code 1 and one line on standard error: why, and what to do. It speaks of PARLEY_KEY,
 * where the programs of this repository take their key from.
 */
export function giveUp(thrown: unknown): never {
  console.error(`parley: ${why(thrown)}`)
  process.exit(1)
}

function why(thrown: unknown): string {
  if (!(thrown instanceof RefusedError)) return thrown instanceof Error ? thrown.message : String(thrown)
  return thrown.code === 'UNAUTHENTICATED'
    ? 'The hub takes no such key: it is missing, not whole, or has ended. Set PARLEY_KEY to the `api_key` that POST /agents answered.'
    : thrown.message
}
