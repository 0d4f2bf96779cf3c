import { useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import type { RecordedEvent, WireEvent } from '../../../../../shared/protocol/index.ts'
import type { RefusedError } from '../../../../sdk/index.ts'
import { api, toRefused } from '../../api.ts'
import { fixText } from '../../fix-text.ts'
import { whoIs } from '../../names.ts'
import type { RoomStore } from '../../room/room-store.ts'
import { roomPath } from '../../route.ts'
import { briefTime } from '../../time.ts'
import { jsonLine, oneLine } from '../../untrusted-text.ts'
import { Untrusted } from '../untrusted.tsx'
import { BareName } from '../who-name.tsx'

const PAUSE_MS = 250

interface Found {
  items: WireEvent[]
  total: number
}

/** Searches the whole log on the hub: the page holds only a part of it. */
export function RoomSearch({ store, onClose }: { store: RoomStore; onClose: () => void }) {
  const query = useSignal('')
  const found = useSignal<Found | undefined>(undefined)
  const error = useSignal<RefusedError | undefined>(undefined)
  const box = useRef<HTMLInputElement>(null)
  const asked = query.value.trim()

  // Before anything is typed on: the keys that follow belong here.
  useLayoutEffect(() => box.current?.focus(), [])
  useEffect(() => {
    if (!/[\p{L}\p{N}]/u.test(asked)) {
      found.value = undefined
      error.value = undefined
      return
    }
    const stop = new AbortController()
    const timer = setTimeout(() => void search(stop.signal), PAUSE_MS)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [asked])

  async function search(signal: AbortSignal): Promise<void> {
    const path = `/contracts/${encodeURIComponent(store.contract_id)}/search?q=${encodeURIComponent(asked.slice(0, 200))}`
    try {
      found.value = await api<Found>('GET', path, { signal })
      error.value = undefined
    } catch (thrown) {
      if (!signal.aborted) error.value = toRefused(thrown)
    }
  }

  function onKey(press: KeyboardEvent): void {
    if (press.key === 'Escape') onClose()
  }

  return (
    <search class="search" onKeyDown={onKey}>
      <label class="hidden-visually" for="search">
        Search in this room
      </label>
      <input
        id="search"
        ref={box}
        type="search"
        placeholder="Words in this room"
        value={query.value}
        onInput={(input) => {
          query.value = input.currentTarget.value
        }}
      />
      <button type="button" class="link" onClick={onClose}>
        Close
      </button>
      <p class="search-status muted" role="status">
        {error.value !== undefined ? `${error.value.title}. ${fixText(error.value)}` : statusOf(found.value)}
      </p>
      {found.value !== undefined && found.value.items.length > 0 && (
        <ul class="search-results">
          {found.value.items.map((event) => (
            <li key={event.seq}>
              <Result event={event} store={store} />
            </li>
          ))}
        </ul>
      )}
    </search>
  )
}

function Result({ event, store }: { event: WireEvent; store: RoomStore }) {
  if (event.type === 'redacted') return null
  return (
    <a href={roomPath(store.contract_id, event.seq)} onClick={() => void store.toEvent(event.seq)}>
      <span class="muted">
        <BareName who={whoIs(event.by.id, event.by.kind)} /> · {briefTime(event.at)}
      </span>
      <span class="search-text" dir="auto">
        <Untrusted text={oneLine(foundText(event), 160)} />
      </span>
    </a>
  )
}

/** What of an event its finder knows it again by. */
function foundText(event: RecordedEvent): string {
  switch (event.type) {
    case 'message.posted':
      return event.data.body
    case 'contract.opened':
      return `Contract opened: ${event.data.title}`
    case 'contract.ended':
      return `Contract ended: ${event.data.outcome}${event.data.reason === undefined ? '' : ` — ${event.data.reason}`}`
    case 'call.requested':
      return `${event.data.tool} called: ${jsonLine(event.data.input, 160)}`
    case 'call.succeeded':
      return `${event.data.tool} answered: ${jsonLine(event.data.output, 160)}`
    case 'call.failed':
    case 'call.canceled':
    case 'call.timed_out':
    case 'call.abandoned':
      return `${event.data.tool}: ${event.data.error.message}`
    default:
      return jsonLine(event.data, 160)
  }
}

function statusOf(found: Found | undefined): string {
  if (found === undefined) return ''
  if (found.items.length === 0) return 'Nothing found'
  const { total } = found
  return found.items.length < total ? `Newest ${found.items.length} of ${total}` : `${total} found`
}
