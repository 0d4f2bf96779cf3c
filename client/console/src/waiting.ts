import { signal } from '@preact/signals'
import { pauseOf } from '../../sdk/pause-of.ts'

/** A person waits so long for one answer, and so often; whatever asks for more is told at once. */
const LONGEST_MS = 60_000
const MOST_WAITS = 3
const TICK_MS = 1_000

/** Seconds until the last of those that wait goes on; undefined when nothing waits. */
export const waiting = signal<number | undefined>(undefined)

const waits = new Map<() => void, number>()
let ticking: ReturnType<typeof setInterval> | undefined

/** Asks, and asks again after the pause of each 429 as long as that is bearable. What is answered in the end may still be one. */
export async function askPatiently(ask: () => Promise<Response>, signal?: AbortSignal): Promise<Response> {
  for (let left = MOST_WAITS; ; left--) {
    const response = await ask()
    const pause_ms = response.status === 429 && left > 0 ? askedPause(response.headers) : undefined
    if (pause_ms === undefined || pause_ms > LONGEST_MS || !(await waitOut(pause_ms, signal))) return response
  }
}

/** Whoever waits goes on with the refusal that it has. */
export function stopWaiting(): void {
  for (const stop of [...waits.keys()]) stop()
}

/** What the hub or a proxy says; the hub says when the window ends beside it (`RateLimit: "read";r=0;t=41`). */
function askedPause(headers: Headers): number | undefined {
  const window_s = /;\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]
  const ms = pauseOf(headers.get('retry-after')) ?? (window_s === undefined ? undefined : Number(window_s) * 1_000)
  return ms === undefined ? undefined : Math.max(ms, TICK_MS)
}

/** Resolves to whether the time is over; false when the person would not wait. */
function waitOut(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', leave)
      waits.delete(stop)
      tell()
      settle()
    }
    const stop = () => end(() => resolve(false))
    const leave = () => end(() => reject(signal?.reason))
    const timer = setTimeout(() => end(() => resolve(true)), ms)
    signal?.addEventListener('abort', leave)
    waits.set(stop, Date.now() + ms)
    tell()
    if (signal?.aborted) leave()
  })
}

function tell(): void {
  const last = Math.max(...waits.values())
  waiting.value = waits.size === 0 ? undefined : Math.max(1, Math.ceil((last - Date.now()) / 1_000))
  if (waits.size === 0) {
    clearInterval(ticking)
    ticking = undefined
  } else ticking ??= setInterval(tell, TICK_MS)
}
