import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { myself } from '../../account/session.ts'
import { forget, keep, kept } from '../../kept.ts'
import type { RoomStore } from '../../room/room-store.ts'
import { sizeName } from '../../untrusted-text.ts'
import { Icon } from '../icon.tsx'

// Below what the hub takes in one frame, whatever else is in it.
const MOST_BYTES = 200_000
const MOST_CHARACTERS = 100_000
// The others see "is typing" for 5 s after each sign.
const TYPING_MS = 2_500

interface Draft {
  text: string
  isNote: boolean
}

export function Composer({ store }: { store: RoomStore }) {
  const keptAs = `draft.${myself()?.id}.${store.contract_id}`
  const draft = useSignal<Draft>(draftIn(kept(keptAs)))
  const box = useRef<HTMLTextAreaElement>(null)
  const typedAt = useRef(0)
  const mayNote = store.mayNote.value
  const isNote = mayNote && draft.value.isNote
  const isReady = store.outgoing.value !== undefined
  const tooLong = lengthFault(draft.value.text)

  useEffect(() => {
    if (matchMedia('(hover: hover) and (min-width: 900px)').matches && !location.search.includes('e=')) box.current?.focus()
  }, [])

  if (store.view.value.contract?.state === 'ended')
    return <p class="composer-ended">The contract has ended. The room can be read, not written.</p>

  function change(next: Partial<Draft>): void {
    draft.value = { ...draft.value, ...next }
    if (draft.value.text === '') forget(keptAs)
    else keep(keptAs, draft.value)
  }

  function onInput(text: string): void {
    change({ text })
    if (text === '' || isNote || Date.now() - typedAt.current < TYPING_MS) return
    typedAt.current = Date.now()
    store.room?.typing()
  }

  function send(): void {
    const body = draft.value.text.trim()
    if (body === '' || tooLong !== undefined || !isReady) return
    store.outgoing.value?.post(body, isNote ? 'staff' : 'all')
    change({ text: '' })
    typedAt.current = 0
    void store.toEnd()
    box.current?.focus()
  }

  function onKey(press: KeyboardEvent): void {
    // 229: some input methods confirm a word with an Enter that says so by its code alone.
    if (press.key !== 'Enter' || press.shiftKey || press.isComposing || press.keyCode === 229) return
    press.preventDefault()
    send()
  }

  return (
    <form
      class={`composer ${isNote ? 'is-note' : ''}`}
      onSubmit={(submit) => {
        submit.preventDefault()
        send()
      }}
    >
      <label class="hidden-visually" for="message">
        {isNote ? 'Note, only staff will see it' : 'Message'}
      </label>
      <textarea
        id="message"
        ref={box}
        rows={1}
        dir="auto"
        placeholder={isNote ? 'A note that only staff will see' : 'Write a message'}
        aria-describedby="composer-hint"
        aria-invalid={tooLong !== undefined}
        value={draft.value.text}
        onInput={(input) => onInput(input.currentTarget.value)}
        onKeyDown={onKey}
      />
      <div class="composer-bar">
        {mayNote && (
          <label class="check">
            <input type="checkbox" checked={draft.value.isNote} onChange={(event) => change({ isNote: event.currentTarget.checked })} />
            <Icon name="note" />
            Note{isNote ? ': only staff' : ''}
          </label>
        )}
        <span
          id="composer-hint"
          class={`muted hint ${tooLong === undefined ? '' : 'tone-danger'}`}
          role={tooLong === undefined ? undefined : 'status'}
        >
          {tooLong ?? 'Enter sends, Shift+Enter makes a new line'}
        </span>
        <button type="submit" class="button primary" disabled={!isReady || draft.value.text.trim() === '' || tooLong !== undefined}>
          {isNote ? 'Add note' : 'Send'}
        </button>
      </div>
    </form>
  )
}

function lengthFault(text: string): string | undefined {
  if (text.length * 3 <= MOST_BYTES && text.length <= MOST_CHARACTERS) return undefined
  const bytes = new Blob([text]).size
  if (bytes <= MOST_BYTES && text.length <= MOST_CHARACTERS) return undefined
  return `Too long to send (${sizeName(bytes)}). Split it.`
}

function draftIn(value: unknown): Draft {
  const { text, isNote } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<keyof Draft, unknown>>
  return { text: typeof text === 'string' ? text : '', isNote: isNote === true }
}
