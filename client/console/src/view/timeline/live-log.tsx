import { announcements } from '../../room/announcements.ts'

/** Heard, not seen: short sentences about what happens in the open room. */
export function LiveLog() {
  return (
    <div class="hidden-visually" role="log" aria-live="polite" aria-relevant="additions" aria-label="News of the room">
      {announcements.value.map(({ id, text }) => (
        <p key={id}>{text}</p>
      ))}
    </div>
  )
}
