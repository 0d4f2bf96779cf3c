import { ParleyError } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import { isDuplicateKey } from '../../core/duplicate-key.ts'
import { networkOf } from '../../core/network-of.ts'
import type { Model, SignInCountDocument } from './model.ts'
import type { Secrets } from './secrets.ts'

const WINDOW_MS = 15 * 60_000
const MOST_FAILURES = {
  /** Of one account from one network: somebody who guesses there, or has forgotten. */
  pair: 10,
  // An office shares one address, so that one may fail more often than one account.
  network: 30,
  /** Of one account from everywhere: guesses that come from many networks at once. */
  account: 50,
  /** Requests for a new password from one network, whoever they are for. */
  asked: 10,
} as const
/** Whose network the account signed in from before is not closed by what strangers do elsewhere. */
const TRUSTED_MS = 90 * 86_400_000
const TRIES = 5

type Subject = keyof typeof MOST_FAILURES

/** A failure that was counted, until it is shown to be none. */
interface Counted {
  wait_ms: 0
  isTrusted: boolean
  undo(): Promise<void>
}

type Attempt = Counted | { wait_ms: number; isTrusted: boolean; undo?: undefined }

/**
 * Failed sign-ins, counted for each account in each network, each network, and each account, for all nodes and over restarts. No stranger can
 * close an account for good: from another network it takes many networks to close it at all, and then not for those it is at home in.
 */
export function createLoginThrottle({ model: { signInCounts }, secrets, clock }: { model: Model; secrets: Secrets; clock: Clock }) {
  /**
   * Counts an attempt as failed until it is shown to be otherwise, so that guesses sent at once do not outrun the count. Throws RATE_LIMITED, for
   * accounts that do not exist as for those that do.
   */
  async function begin({ email, ip }: { email: string; ip: string }) {
    const network = networkOf(ip)
    const ids = { pair: idOf('pair', email, network), network: idOf('network', network), account: idOf('account', email) }
    const pair = await count(ids.pair, 'pair')
    const rest = pair.isTrusted ? (['network'] as const) : (['network', 'account'] as const)
    const counted: Attempt[] = [pair, ...(pair.undo ? await Promise.all(rest.map((subject) => count(ids[subject], subject))) : [])]
    const wait_ms = Math.max(...counted.map((one) => one.wait_ms))
    const undo = async (attempts: Attempt[]) => void (await Promise.all(attempts.map((one) => one.undo?.())))
    if (wait_ms > 0) {
      await undo(counted)
      throw new ParleyError('RATE_LIMITED', { retry_after_ms: wait_ms })
    }
    return {
      /** Forgives the account here, and leaves what others did elsewhere. */
      async succeeded(): Promise<void> {
        const trusted_until = new Date(clock.now() + TRUSTED_MS)
        await signInCounts.updateOne({ _id: ids.pair }, { $set: { failures: 0, trusted_until }, $max: { expires_at: trusted_until } })
        await undo(counted.slice(1))
      },
      /** The hub could not tell: nobody is blamed. */
      undecided: () => undo(counted),
    }
  }

  /** Lets a request for a new password pass, or throws RATE_LIMITED. */
  async function ask(ip: string): Promise<void> {
    const { wait_ms } = await count(idOf('asked', networkOf(ip)), 'asked')
    if (wait_ms > 0) throw new ParleyError('RATE_LIMITED', { retry_after_ms: wait_ms })
  }

  async function count(_id: string, subject: Subject): Promise<Attempt> {
    for (let tries = TRIES; tries > 0; tries -= 1) {
      const now = clock.now()
      const open = { _id, ends_at: { $gt: new Date(now) } }
      const room = { ...open, failures: { $lt: MOST_FAILURES[subject] } }
      const counted = await signInCounts.findOneAndUpdate(room, { $inc: { failures: 1 } }, { returnDocument: 'after' })
      if (counted !== null) return countedIn(counted)
      const window = await signInCounts.findOne(open)
      if (window === null) {
        const begun = await beginWindow(_id, now)
        if (begun !== undefined) return countedIn(begun)
      } else if (window.failures >= MOST_FAILURES[subject]) return { wait_ms: window.ends_at.getTime() - now, isTrusted: isTrusted(window) }
      // Begun, or made room in, since the first look: look again.
    }
    throw new ParleyError('OVERLOADED', { retry_after_ms: 1_000 })
  }

  /** Undefined when another attempt began it first. */
  async function beginWindow(_id: string, now: number): Promise<SignInCountDocument | undefined> {
    const ends_at = new Date(now + WINDOW_MS)
    const fresh = { $set: { failures: 1, ends_at }, $max: { expires_at: ends_at }, $setOnInsert: { trusted_until: null } }
    try {
      const past = { _id, ends_at: { $lte: new Date(now) } }
      return (await signInCounts.findOneAndUpdate(past, fresh, { upsert: true, returnDocument: 'after' })) ?? undefined
    } catch (error) {
      if (isDuplicateKey(error)) return undefined
      throw error
    }
  }

  function countedIn(window: SignInCountDocument): Counted {
    const undo = async () => {
      // Of this window only: the next one did not count it.
      await signInCounts.updateOne({ _id: window._id, ends_at: window.ends_at, failures: { $gt: 0 } }, { $inc: { failures: -1 } })
    }
    return { wait_ms: 0, isTrusted: isTrusted(window), undo }
  }

  const isTrusted = ({ trusted_until }: SignInCountDocument) => trusted_until !== null && trusted_until.getTime() > clock.now()
  // A hash: people type passwords into the field for the address.
  const idOf = (...subject: string[]) => secrets.hashToken('sign-in-count', JSON.stringify(subject))

  return { begin, ask }
}

export type LoginThrottle = ReturnType<typeof createLoginThrottle>
