import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { durationName } from '../../time.ts'

/** One beat for all timers on the page, which runs only while one is shown. */
const now = signal(Date.now())
let watchers = 0
let beat: ReturnType<typeof setInterval> | undefined

function watch(): () => void {
  watchers += 1
  now.value = Date.now()
  beat ??= setInterval(() => {
    now.value = Date.now()
  }, 1_000)
  return () => {
    watchers -= 1
    if (watchers > 0) return
    clearInterval(beat)
    beat = undefined
  }
}

/** How long something has been going on. Not read out as it ticks. */
export function Elapsed({ since }: { since: string }) {
  useEffect(watch, [])
  const seconds = Math.max(0, Math.floor((now.value - Date.parse(since)) / 1_000))
  return (
    <time class="call-time" dateTime={`PT${seconds}S`} aria-live="off">
      {seconds < 1 ? null : durationName(seconds * 1_000).replace('.0', '')}
    </time>
  )
}
