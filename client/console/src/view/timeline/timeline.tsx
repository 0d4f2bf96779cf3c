import { useLayoutEffect, useRef } from 'preact/hooks'
import { onFeedKey } from '../../room/feed-keys.ts'
import type { RoomStore } from '../../room/room-store.ts'
import { rowOfSeq } from '../../room/rows.ts'
import { keepScroll } from '../../room/scroll-keeper.ts'
import { navigate, roomPath } from '../../route.ts'
import { Icon } from '../icon.tsx'
import { OutgoingList } from '../room/outgoing-list.tsx'
import { RowView } from './row-view.tsx'
import { TimelineTop } from './timeline-top.tsx'

/** The room's log as a feed. Which part of it is loaded, and where the reader is, outlive every change around it. */
export function Timeline({ store }: { store: RoomStore }) {
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const feed = useRef<HTMLDivElement>(null)
  const rows = store.rows.value
  const target = store.target.value

  useLayoutEffect(() => {
    if (!scroller.current || !content.current || !feed.current) return
    const elements = { scroller: scroller.current, content: content.current, feed: feed.current }
    return keepScroll({ ...elements, isAtEnd: store.isAtEnd, onMove: (near) => readNear(store, near) })
  }, [store])

  useLayoutEffect(() => {
    const row = target && rowOfSeq(rows, store.window.events.peek(), target.seq)
    const element = row && document.getElementById(`row-${row.key}`)
    if (!element) return
    element.scrollIntoView({ block: 'center' })
    element.focus({ preventScroll: true })
    for (const other of feed.current?.querySelectorAll('.target') ?? []) other.classList.remove('target')
    element.classList.add('target')
  }, [target])

  return (
    <div class="timeline-frame">
      <div class="timeline" ref={scroller}>
        <div class="timeline-content" ref={content}>
          <TimelineTop store={store} />
          <div
            id="timeline"
            role="feed"
            aria-label="Timeline"
            aria-busy={store.window.isLoading.value}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a feed takes the focus, and its keys move along its articles
            tabIndex={0}
            ref={feed}
            onKeyDown={onFeedKey}
          >
            {rows.map((row) => (
              <RowView key={row.key} row={row} store={store} />
            ))}
          </div>
          <OutgoingList store={store} />
        </div>
      </div>
      <ToEnd store={store} />
    </div>
  )
}

function readNear(store: RoomStore, near: { top: boolean; end: boolean }): void {
  if (store.window.isLoading.peek() || store.pageError.peek() !== undefined) return
  if (near.top && store.window.hasOlder && store.window.events.peek().length > 0) void store.older()
  else if (near.end && !store.window.isAttached.peek() && store.window.events.peek().length > 0) void store.newer()
}

/** The way back to the present, for a reader who is elsewhere. */
function ToEnd({ store }: { store: RoomStore }) {
  if (store.isAtEnd.value && store.window.isAttached.value) return null
  if (store.window.events.value.length === 0) return null
  const count = store.newCount.value
  const go = () => {
    navigate(roomPath(store.contract_id), { replace: true })
    void store.toEnd()
  }
  return (
    <button type="button" class="to-end" onClick={go}>
      <Icon name="down" />
      {count === 0 ? 'Newest' : count === 1 ? '1 new event' : `${count} new events`}
    </button>
  )
}
