import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { faultText } from '../../fault-text.ts'
import { refuseUnlessLive } from '../../room/refuse-unless-live.ts'
import type { RoomStore } from '../../room/room-store.ts'

const outcomes = [
  { outcome: 'completed', text: 'Completed: the work is done' },
  { outcome: 'canceled', text: 'Canceled: it is not wanted any more' },
  { outcome: 'failed', text: 'Failed: it could not be done' },
] as const

/** Ends the contract for good, so it asks first; and it is done only when the hub has recorded it. */
export function EndDialog({ store }: { store: RoomStore }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const outcome = useSignal<string>(outcomes[0].outcome)
  const reason = useSignal('')
  const isBusy = useSignal(false)
  const fault = useSignal<string | undefined>(undefined)

  async function end(submit: Event): Promise<void> {
    submit.preventDefault()
    if (store.room === undefined || isBusy.value) return
    isBusy.value = true
    fault.value = undefined
    try {
      refuseUnlessLive(store)
      const said = reason.value.trim()
      await store.room.end(outcome.value, said === '' ? undefined : said)
      dialog.current?.close()
    } catch (thrown) {
      fault.value = faultText(thrown)
    } finally {
      isBusy.value = false
    }
  }

  return (
    <>
      <button type="button" class="button" onClick={() => dialog.current?.showModal()}>
        <span>
          End<span class="wide-only"> contract…</span>
        </span>
      </button>
      <dialog ref={dialog} aria-labelledby="end-title">
        <form onSubmit={end}>
          <h2 id="end-title">End this contract?</h2>
          <p>Open calls are canceled, and nobody can write in the room any more. This cannot be undone.</p>
          <fieldset>
            <legend>Outcome</legend>
            {outcomes.map((one) => (
              <label class="check" key={one.outcome}>
                <input
                  type="radio"
                  name="outcome"
                  value={one.outcome}
                  checked={outcome.value === one.outcome}
                  onChange={() => {
                    outcome.value = one.outcome
                  }}
                />
                {one.text}
              </label>
            ))}
          </fieldset>
          <label class="field" for="end-reason">
            Reason (optional)
            <textarea
              id="end-reason"
              rows={2}
              maxLength={2_000}
              value={reason.value}
              onInput={(input) => {
                reason.value = input.currentTarget.value
              }}
            />
          </label>
          {fault.value !== undefined && (
            <p class="tone-danger" role="alert">
              {fault.value}
            </p>
          )}
          {isBusy.value && !store.isLive.value && <p role="status">The connection was lost meanwhile: it is done when that is back.</p>}
          <div class="dialog-buttons">
            <button type="button" class="button" onClick={() => dialog.current?.close()}>
              {isBusy.value ? 'Close' : 'Keep it open'}
            </button>
            <button type="submit" class="button danger" disabled={isBusy.value}>
              {isBusy.value ? 'Ending…' : 'End contract'}
            </button>
          </div>
        </form>
      </dialog>
    </>
  )
}
