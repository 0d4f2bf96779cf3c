/** Moves the focus along the articles of a feed: Page Down or J to the next, Page Up or K to the one before; Enter opens a row's link. */
export function onFeedKey(press: KeyboardEvent): void {
  if (press.isComposing || press.ctrlKey || press.metaKey || press.altKey) return
  const feed = press.currentTarget
  if (!(feed instanceof HTMLElement) || !(press.target instanceof HTMLElement)) return
  const focused = press.target
  // Buttons and disclosures inside a row keep their keys.
  const isOnRow = focused === feed || focused.parentElement === feed
  const step =
    press.key === 'PageDown' || (isOnRow && press.key === 'j') ? 1 : press.key === 'PageUp' || (isOnRow && press.key === 'k') ? -1 : 0
  if (step !== 0) {
    press.preventDefault()
    moveTo(nextRow(feed, focused, step))
  } else if (isOnRow && press.key === 'Enter') {
    focused.querySelector<HTMLAnchorElement>('.event-time')?.click()
  }
}

function nextRow(feed: HTMLElement, focused: HTMLElement, step: 1 | -1): Element | null {
  const row = focused.closest('article')
  // From the feed itself: the row the reader sees last.
  if (row === null) return lastVisible(feed)
  return step === 1 ? row.nextElementSibling : row.previousElementSibling
}

function lastVisible(feed: HTMLElement): Element | null {
  const end = feed.closest('.timeline')?.getBoundingClientRect().bottom ?? innerHeight
  return [...feed.children].findLast((row) => row.getBoundingClientRect().bottom <= end + 1) ?? feed.lastElementChild
}

function moveTo(row: Element | null): void {
  if (!(row instanceof HTMLElement)) return
  row.focus({ preventScroll: true })
  row.scrollIntoView({ block: 'nearest' })
}
