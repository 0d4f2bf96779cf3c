const BASE_MS = 250
/**
 * After a long absence of the hub a client is back 5 s after it on the average, and 10 s at most. Thousands that come at once keep a hub busy
 * for about as long (docs/RELIABILITY.md), so spread over it they do not queue up.
 */
const CAP_MS = 10_000

/**
 * How long to wait before try number `attempt` (from 1): any time up to a bound that doubles, so that thousands of clients which
 * lost one hub at once come back spread out. A pause the hub asked for comes on top.
 */
export function backoff({ attempt, random, retry_after_ms = 0 }: { attempt: number; random: number; retry_after_ms?: number }): number {
  const bound = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt - 1, 16))
  return retry_after_ms + Math.floor(random * bound)
}
