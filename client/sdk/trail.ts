/** The audit trail, live. An entry of its own, so that who only talks does not load it. */

import type { AuditItem, FrameInput, Push } from '../../shared/protocol/index.ts'
import { HubSession } from './hub.ts'
import type { Link } from './link/link.ts'
import { ownRefusal, RefusedError, toError } from './refused-error.ts'
import type { Hub } from './types.ts'

export type { AuditItem } from '../../shared/protocol/index.ts'

export interface TrailOptions extends FrameInput<'audit.follow'> {
  /** The cursor's log was made anew (a backup was restored): what comes now is from here on, and what lies between is not told. */
  onReset?: () => void
  /** So many items may wait for a reader that is slow (1,000): what is more, the hub is asked for again when they are taken. */
  most_waiting?: number
}

/** What is added to the trail, each item once, until `stop`, or until it throws why there is no more. */
export interface Trail extends AsyncIterableIterator<AuditItem> {
  /** Behind all whole batches that were taken: keep it, and `followTrail(hub, { cursor })` goes on there, in another process too. */
  readonly cursor: string | undefined
  /** Resolves when the hub has said where it begins, or when it ends. */
  readonly begun: Promise<void>
  /** It has told all that there is for now. */
  readonly isLive: boolean
  stop(): void
}

const MOST_WAITING = 1_000
/** A cursor has as many in mind: of more, the hub may tell some again. */
const MOST_KNOWN = 5_000
const TRY_AGAIN_MS = 1_000

interface Listener {
  onEvents(push: Push<'audit.events'>): void
  onEnded(push: Push<'audit.ended'>): void
  onReplaced(): void
}

const listeners = new WeakMap<Link, Listener>()
const heard = new WeakSet<Link>()

/**
 * Follows the audit trail by the filters of a search, and goes on by itself where it was after each cut. For staff, and for the owner of
 * `agent_id`. A connection follows one thing: a later call ends what an earlier one gave. It throws a RefusedError when the hub
 * refuses, or when the right to read ends.
 */
export function followTrail(hub: Hub, { onReset, cursor, most_waiting = MOST_WAITING, ...filters }: TrailOptions = {}): Trail {
  if (!(hub instanceof HubSession)) throw new TypeError('`hub` is not what `connect` gave')
  const { link } = hub
  const queue: Push<'audit.events'>[] = []
  const known = new Set<string>()
  let place = cursor
  let taken = cursor
  let isLive = false
  let isPaused = false
  let waiting = 0
  let attempt = 0
  let over: { fault?: RefusedError } | undefined
  let news = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()

  const listener: Listener = {
    onEvents(push) {
      attempt += 1
      place = push.cursor
      isLive = push.live
      const items = push.items.filter(isNew)
      queue.push({ ...push, items })
      waiting += items.length
      if (waiting > most_waiting && !isPaused) pause()
      wake()
    },
    onEnded: ({ code }) => end(toldBy(code)),
    onReplaced: () => end(),
  }

  function isNew({ event_id }: AuditItem): boolean {
    if (known.has(event_id)) return false
    known.add(event_id)
    if (known.size > MOST_KNOWN) for (const oldest of known) return known.delete(oldest)
    return true
  }

  async function follow(): Promise<void> {
    isPaused = false
    const mine = ++attempt
    try {
      const ack = await link.ask('audit.follow', { ...filters, ...(place === undefined ? {} : { cursor: place }) })
      if (ack.reset) onReset?.()
      if (mine === attempt) place = ack.cursor
      // Not `place`: what came meanwhile was not taken.
      taken ??= ack.cursor
      begun.resolve()
    } catch (thrown) {
      const fault = thrown instanceof RefusedError ? thrown : ownRefusal('ANSWER_INVALID', toError(thrown).message, { cause: thrown })
      if (fault.retry !== 'later') return end(fault)
      // A connection that is gone tells of itself when it is back.
      setTimeout(() => hub.state === 'live' && over === undefined && void follow(), Math.max(fault.retry_after_ms, TRY_AGAIN_MS))
    }
  }

  function pause(): void {
    isPaused = true
    // Lost with the connection, it is not needed any more.
    link.ask('audit.unfollow', {}).catch(() => undefined)
  }

  function wake(): void {
    news.resolve()
    news = Promise.withResolvers<void>()
  }

  function end(fault?: RefusedError): void {
    if (over !== undefined) return
    over = fault === undefined ? {} : { fault }
    stopState()
    if (listeners.get(link) === listener) {
      listeners.delete(link)
      if (hub.state === 'live') link.ask('audit.unfollow', {}).catch(() => undefined)
    }
    begun.resolve()
    wake()
  }

  async function* items(): AsyncGenerator<AuditItem, void> {
    try {
      for (;;) {
        const batch = queue.shift()
        if (batch !== undefined) {
          yield* batch.items
          waiting -= batch.items.length
          taken = batch.cursor
        } else if (over !== undefined) {
          if (over.fault) throw over.fault
          return
        } else {
          const more = news.promise
          if (isPaused && hub.state === 'live') await follow()
          await more
        }
      }
    } finally {
      end()
    }
  }

  listeners.get(link)?.onReplaced()
  listeners.set(link, listener)
  hearPushes(link)
  const stopState = hub.on('state', (state) => {
    isLive = false
    if (state === 'live') void follow()
    else if (state === 'closed') end(link.fault)
  })
  if (hub.state === 'live') void follow()
  else if (hub.state === 'closed') end(link.fault ?? ownRefusal('HUB_CLOSED'))

  const iterator = items()
  return {
    get cursor() {
      return taken
    },
    begun: begun.promise,
    get isLive() {
      return isLive && queue.length === 0
    },
    stop() {
      queue.length = 0
      end()
    },
    next: () => iterator.next(),
    return: () => iterator.return(),
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** Once a connection, for listeners are never taken off it. */
function hearPushes(link: Link): void {
  if (heard.has(link)) return
  heard.add(link)
  link.on('audit.events', (push) => listeners.get(link)?.onEvents(push))
  link.on('audit.ended', (push) => listeners.get(link)?.onEnded(push))
}

/** Why the hub tells no more: the right to read is gone. */
function toldBy(code: string): RefusedError {
  return new RefusedError({
    ...{ code, title: 'You may not read the audit trail any more', retry: 'never', correlation_id: '' },
    fix: 'Ask an admin for the right to read it, then follow again.',
  })
}
