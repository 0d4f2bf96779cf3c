import type { RoomStore } from '../../room/room-store.ts'
import { Trouble } from '../trouble.tsx'

/** What stands above the oldest row that is loaded. Its height does not depend on what it says. */
export function TimelineTop({ store }: { store: RoomStore }) {
  const error = store.pageError.value
  const isEmpty = store.window.events.value.length === 0
  if (error !== undefined)
    return <Trouble error={error} what={isEmpty ? 'The timeline' : 'Older events'} onRetry={() => void store.retryPage()} />
  if (isEmpty) return <Skeleton />
  return <p class="timeline-top">{store.window.hasOlder ? 'Loading older events' : 'The log begins here'}</p>
}

function Skeleton() {
  return (
    <div class="skeleton" aria-hidden="true">
      {[72, 40, 88, 56, 64].map((width) => (
        <div key={width} class="bone" style={{ '--width': `${width}%` }} />
      ))}
    </div>
  )
}
