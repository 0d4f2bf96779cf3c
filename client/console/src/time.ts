const clockTime = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const fullTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' })
const dayThisYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const dayOtherYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' })
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })

const DAY_MS = 86_400_000

export function timeOf(at: string | number): string {
  return clockTime.format(new Date(at))
}

export function fullTimeOf(at: string): string {
  return fullTime.format(new Date(at))
}

/** The reader's own day, as a key: two moments of one day have the same. */
export function dayOf(at: string): string {
  return new Date(at).toDateString()
}

export function dayName(at: string, now = Date.now()): string {
  const day = new Date(at)
  if (day.toDateString() === new Date(now).toDateString()) return 'Today'
  if (day.toDateString() === new Date(now - DAY_MS).toDateString()) return 'Yesterday'
  return (day.getFullYear() === new Date(now).getFullYear() ? dayThisYear : dayOtherYear).format(day)
}

/** For lists: the time of today, else the day. */
export function briefTime(at: string, now = Date.now()): string {
  return dayOf(at) === new Date(now).toDateString() ? timeOf(at) : shortDay.format(new Date(at))
}

/** `340 ms`, `4.2 s`, `3 min 5 s`, `2 h 4 min`. */
export function durationName(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
