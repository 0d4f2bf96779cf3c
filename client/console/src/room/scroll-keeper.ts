import type { Signal } from '@preact/signals'

export interface ScrollKeeperOptions {
  scroller: HTMLElement
  /** Everything that scrolls; its size is watched. */
  content: HTMLElement
  /** The rows, in their order. */
  feed: HTMLElement
  /** Whether the reader is at the end and stays there. Written by the keeper, and by whoever moves the reader. */
  isAtEnd: Signal<boolean>
  /** The place changed: pages near it may be wanted. */
  onMove: (near: { top: boolean; end: boolean }) => void
}

interface Anchor {
  row: Element
  top: number
}

// Rounding of fractional heights must not count as having left the end.
const END_PX = 8
// Pages are read this many screens before the reader needs them.
const AHEAD = 1.5

/**
 * Keeps what the reader looks at where it is, whatever grows above it: older pages, streamed text, a card that opens. A reader at
 * the end stays at the end. Runs after layout and before painting, so that no jump is seen.
 */
export function keepScroll({ scroller, content, feed, isAtEnd, onMove }: ScrollKeeperOptions): () => void {
  let anchors: Anchor[] = []
  let pressed: Anchor | undefined
  let known = { scrollTop: 0, scrollHeight: 0, clientHeight: 0 }

  const observer = new ResizeObserver(() => {
    if (pressed !== undefined) {
      restore([pressed])
      isAtEnd.value = gap() <= END_PX
    } else if (isAtEnd.peek()) toEnd()
    else restore(anchors)
    measure()
  })
  observer.observe(content)
  observer.observe(scroller)
  scroller.addEventListener('scroll', onScroll, { passive: true })
  feed.addEventListener('click', onClick, { capture: true })
  const unsubscribe = isAtEnd.subscribe((isThere) => {
    if (isThere) toEnd()
  })
  return () => {
    unsubscribe()
    observer.disconnect()
    scroller.removeEventListener('scroll', onScroll)
    feed.removeEventListener('click', onClick, { capture: true })
  }

  function toEnd(): void {
    scroller.scrollTop = scroller.scrollHeight
  }

  function onScroll(): void {
    const { scrollTop, scrollHeight, clientHeight } = scroller
    const isSettled = scrollHeight === known.scrollHeight && clientHeight === known.clientHeight
    const moved = scrollTop - known.scrollTop
    // Something grew in this frame, and the observer has yet to see it: only a move upwards is then surely the reader's own, and
    // where the rows are now is no measure of where they were.
    if (isSettled || moved < -1) isAtEnd.value = gap() <= END_PX
    if (isSettled) {
      measure()
      return
    }
    known = { ...known, scrollTop }
    anchors = anchors.map(({ row, top }) => ({ row, top: top - moved }))
  }

  function gap(): number {
    return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight
  }

  /** What a press in a row opens grows downwards from there. */
  function onClick({ target }: MouseEvent): void {
    const row = target instanceof Element ? target.closest('article') : null
    if (row === null) return
    const anchor = { row, top: row.getBoundingClientRect().top }
    pressed = anchor
    // What it opens is laid out by then, or it opened nothing.
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        if (pressed === anchor) pressed = undefined
      }),
    )
  }

  function measure(): void {
    const { scrollTop, clientHeight, scrollHeight } = scroller
    known = { scrollTop, scrollHeight, clientHeight }
    anchors = visibleRows().map((row) => ({ row, top: row.getBoundingClientRect().top }))
    const ahead = clientHeight * AHEAD
    onMove({ top: scrollTop < ahead, end: scrollHeight - scrollTop - clientHeight < ahead })
  }

  function restore(from: Anchor[]): void {
    const anchor = from.find(({ row }) => row.isConnected)
    if (anchor === undefined) return
    const shift = anchor.row.getBoundingClientRect().top - anchor.top
    if (shift !== 0) scroller.scrollTop += shift
  }

  function visibleRows(): Element[] {
    const { top, bottom } = scroller.getBoundingClientRect()
    const rows = feed.children
    const visible: Element[] = []
    for (let at = firstBelow(rows, top); at < rows.length; at += 1) {
      const row = rows[at]
      if (row === undefined || row.getBoundingClientRect().top > bottom) break
      // The card of a call whose request is not loaded moves to its request when that comes.
      if (!row.hasAttribute('data-floating')) visible.push(row)
    }
    // The first row loses its day and its author when older ones come before it: the next one holds still.
    return visible.length > 1 && visible[0] === rows[0] ? visible.slice(1) : visible
  }
}

/** The first row whose lower edge is below the line: by halves, for there may be thousands. */
function firstBelow(rows: HTMLCollection, line: number): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rows[middle]?.getBoundingClientRect().bottom ?? 0) > line) high = middle
    else low = middle + 1
  }
  return low
}
