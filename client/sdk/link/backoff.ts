const BASE_MS = 250
const CAP_MS = 20_000

/**
 * How long to wait before try number `attempt` (from 1): any time up to a bound that doubles, so that thousands of clients which
 * lost one hub at once come back spread out. A pause the hub asked for comes on top.
 */
export function backoff({ attempt, random, retry_after_ms = 0 }: { attempt: number; random: number; retry_after_ms?: number }): number {
  const bound = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt - 1, 16))
  return retry_after_ms + Math.floor(random * bound)
}
