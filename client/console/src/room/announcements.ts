import { signal } from '@preact/signals'

// Several events within a second are one sentence: nobody wants to hear each of a burst.
const COALESCE_MS = 1_000
const MOST_KEPT = 20

/** Short sentences for screen readers; the timeline itself is no live region, for old pages put into it would be read as news. */
export const announcements = signal<readonly { id: number; text: string }[]>([])

let waiting: string[] = []
let timer: ReturnType<typeof setTimeout> | undefined
let count = 0

export function announce(sentence: string): void {
  waiting.push(sentence)
  if (waiting.length > 1) return
  timer = setTimeout(() => {
    const text = waiting.length === 1 ? (waiting[0] ?? '') : `${waiting.length} new events. ${waiting.at(-1)}`
    waiting = []
    count += 1
    announcements.value = [...announcements.peek().slice(-MOST_KEPT), { id: count, text }]
  }, COALESCE_MS)
}

/** Another person is about to use the page. */
export function forgetAnnouncements(): void {
  clearTimeout(timer)
  waiting = []
  announcements.value = []
}
