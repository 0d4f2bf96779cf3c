import { LRUCache } from 'lru-cache'
import { ParleyError } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { networkOf } from '../../core/network-of.ts'

const WINDOW_MS = 15 * 60_000
// An office shares one address, so that one may fail more often than one account.
const MOST_FAILURES = { account: 10, network: 30 } as const
const MOST_WINDOWS = 20_000

interface Window {
  failures: number
  ends_at_ms: number
}

/** Failed sign-ins, counted for each account and each network. In memory: a restart forgives. */
export function createLoginThrottle(clock: Clock) {
  const windows = new LRUCache<string, Window>({ max: MOST_WINDOWS })

  function windowOf(subject: string): Window {
    const known = windows.get(subject)
    if (known !== undefined && known.ends_at_ms > clock.now()) return known
    const fresh = { failures: 0, ends_at_ms: clock.now() + WINDOW_MS }
    windows.set(subject, fresh)
    return fresh
  }

  /**
   * Counts an attempt as failed until it is shown to be otherwise, so that guesses sent at once do not outrun the count.
   * Throws RATE_LIMITED, for accounts that do not exist as for those that do.
   */
  function begin({ email, ip }: { email: string; ip: string }) {
    const account = windowOf(`account:${email}`)
    const network = windowOf(`network:${networkOf(ip)}`)
    const full = [account.failures >= MOST_FAILURES.account && account, network.failures >= MOST_FAILURES.network && network]
    const waits_ms = full.flatMap((window) => (window === false ? [] : [window.ends_at_ms - clock.now()]))
    if (waits_ms.length > 0) throw new ParleyError('RATE_LIMITED', { retry_after_ms: Math.max(...waits_ms) })
    account.failures += 1
    network.failures += 1
    return {
      succeeded() {
        account.failures = 0
        network.failures -= 1
      },
      /** The hub could not tell: nobody is blamed. */
      undecided() {
        account.failures -= 1
        network.failures -= 1
      },
    }
  }

  return { begin }
}
