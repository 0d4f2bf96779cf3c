import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'
import { faultText } from '../fault-text.ts'
import { stopWaiting } from '../waiting.ts'
import { type Secret, ShownOnce } from './shown-once.tsx'
import { WaitingNote } from './waiting-note.tsx'

export interface DialogButtonProps {
  /** On the button that opens it. */
  label: ComponentChildren
  /** Whole, for those who hear the button without its row. */
  ariaLabel?: string
  look?: 'primary' | 'danger' | 'plain' | 'link'
  title: string
  children?: ComponentChildren
  /** On the button that does it; `doing` while it is under way. */
  does: string
  doing: string
  /** On the button that leaves all as it is. */
  keeps?: string
  /** The dialog is about something that cannot be undone. */
  isDanger?: boolean
  /** Called when it opens: fields begin afresh. False: there is nothing to ask, it does it at once, and opens only to say why it could not. */
  onOpen?: () => undefined | boolean
  /** Resolves when the hub has done it; with a secret, the dialog shows that once. Rejects with what to say. */
  act: () => Promise<Secret | undefined>
  /** After it was done and the dialog is closed. */
  onDone?: () => void
}

const looks = { plain: 'button', primary: 'button primary', danger: 'button danger', link: 'link' } as const

/** A button that asks once before it does something, in a dialog that stays open until the hub has done it. */
export function DialogButton(props: DialogButtonProps) {
  const { label, ariaLabel, look = 'plain', title, children, does, doing, keeps = 'Cancel', isDanger = false, onOpen, act, onDone } = props
  const id = useId()
  const dialog = useRef<HTMLDialogElement>(null)
  const isOpen = useSignal(false)
  const isBusy = useSignal(false)
  const fault = useSignal<string | undefined>(undefined)
  const secret = useSignal<Secret | undefined>(undefined)

  function open(): void {
    fault.value = undefined
    secret.value = undefined
    isOpen.value = onOpen?.() !== false
    if (!isOpen.value) void run({ isAsked: false })
  }
  useLayoutEffect(() => {
    if (isOpen.value) dialog.current?.showModal()
  }, [isOpen.value])

  async function run({ isAsked }: { isAsked: boolean }): Promise<void> {
    if (isBusy.value) return
    isBusy.value = true
    fault.value = undefined
    try {
      secret.value = await act()
      if (secret.value === undefined) close()
    } catch (thrown) {
      fault.value = faultText(thrown)
      if (!isAsked) isOpen.value = true
    } finally {
      isBusy.value = false
    }
  }

  function close(): void {
    dialog.current?.close()
    onDone?.()
  }

  return (
    <>
      <button type="button" class={looks[look]} aria-label={ariaLabel} onClick={open}>
        {label}
      </button>
      {isOpen.value && (
        <dialog
          ref={dialog}
          onClose={() => {
            // Who closes it while it waits does not mean it any more.
            if (isBusy.value) stopWaiting()
            isOpen.value = false
          }}
          aria-labelledby={id}
          onCancel={(cancel) => {
            // A secret that is shown once does not go by a key pressed too often.
            if (secret.value !== undefined) cancel.preventDefault()
          }}
        >
          {secret.value !== undefined ? (
            <ShownOnce id={id} secret={secret.value} onDone={close} />
          ) : (
            <form
              onSubmit={(submit) => {
                submit.preventDefault()
                void run({ isAsked: true })
              }}
            >
              <h2 id={id}>{title}</h2>
              {children}
              <p class="form-fault" role="alert">
                {fault.value}
              </p>
              {isBusy.value && <WaitingNote />}
              <div class="dialog-buttons">
                <button type="button" class="button" onClick={() => dialog.current?.close()}>
                  {keeps}
                </button>
                <button type="submit" class={`button ${isDanger ? 'danger' : 'primary'}`} disabled={isBusy.value}>
                  {isBusy.value ? doing : does}
                </button>
              </div>
            </form>
          )}
        </dialog>
      )}
    </>
  )
}
