import { useRef } from 'preact/hooks'
import { stopWaiting, waiting } from '../waiting.ts'
import { Icon } from './icon.tsx'

/** Says that the hub asked for a pause, and how long it still is. Read out once, not each second. */
export function WaitingNote() {
  const first = useRef<number | undefined>(undefined)
  const left = waiting.value
  first.current = left === undefined ? undefined : (first.current ?? left)
  return (
    <div class="waiting" role="status">
      {left !== undefined && (
        <p>
          <Icon name="clock" />
          <span class="hidden-visually">Too many requests at once. Waiting {first.current} s, then it goes on by itself.</span>
          <span aria-hidden="true">Too many requests at once. Waiting {left} s …</span>
          <button type="button" class="button" onClick={stopWaiting}>
            Stop waiting
          </button>
        </p>
      )}
    </div>
  )
}
