import { computed, effect, signal } from '@preact/signals'
import type { HubState } from '../../sdk/index.ts'

export type Connection = { state: 'fine' } | { state: 'reconnecting' } | { state: 'offline'; since: number } | { state: 'catching-up' }

// A change of network is over by then, and saying it would only worry.
const QUIET_MS = 2_000
const OFFLINE_MS = 10_000

/** What the strip says. It speaks only of what lasts, and of the way back only when it spoke of the loss. */
export const connection = signal<Connection>({ state: 'fine' })

/** Without a connection nobody knows who is there and what they do, and the page must not say that it does. */
export const isHearing = computed(() => connection.value.state !== 'reconnecting' && connection.value.state !== 'offline')

/** `isInStep`: the open room has all that happened; true when none is open. */
export function watchConnection({ hubState, isInStep }: { hubState: () => HubState; isInStep: () => boolean }): () => void {
  let timers: ReturnType<typeof setTimeout>[] = []
  let since: number | undefined

  const stop = effect(() => {
    if (hubState() !== 'live') lose()
    else comeBack(isInStep())
  })
  return () => {
    stop()
    clear()
  }

  function lose(): void {
    if (since !== undefined) return
    clear()
    const lostAt = Date.now()
    since = lostAt
    const say = (ms: number, next: Connection) => {
      timers.push(
        setTimeout(() => {
          connection.value = next
        }, ms),
      )
    }
    say(QUIET_MS, { state: 'reconnecting' })
    say(OFFLINE_MS, { state: 'offline', since: lostAt })
  }

  function comeBack(isComplete: boolean): void {
    since = undefined
    clear()
    const before = connection.peek().state
    if (isComplete) {
      if (before !== 'fine') connection.value = { state: 'fine' }
      return
    }
    if (before === 'reconnecting' || before === 'offline') connection.value = { state: 'catching-up' }
    // A join that takes long for no lost connection.
    else if (before === 'fine')
      timers.push(
        setTimeout(() => {
          connection.value = { state: 'catching-up' }
        }, QUIET_MS),
      )
  }

  function clear(): void {
    for (const timer of timers) clearTimeout(timer)
    timers = []
  }
}
