import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'

export interface Secret {
  title: string
  /** What the text is: "API key". */
  name: string
  text: string
  about: string
}

/** A key or a link that the hub shows this once, to be taken along. */
export function ShownOnce({ id, secret: { title, name, text, about }, onDone }: { id: string; secret: Secret; onDone: () => void }) {
  const box = useRef<HTMLInputElement>(null)
  const said = useSignal('')
  useEffect(() => box.current?.select(), [])

  async function copy(): Promise<void> {
    box.current?.select()
    try {
      await navigator.clipboard.writeText(text)
      said.value = 'Copied.'
    } catch {
      // The browser does not let pages write there: the text is selected, so one key does it.
      said.value = 'It is selected: copy it with the keyboard or the context menu.'
    }
  }

  return (
    <form
      onSubmit={(submit) => {
        submit.preventDefault()
        onDone()
      }}
    >
      <h2 id={id}>{title}</h2>
      <p>{about}</p>
      <label class="field">
        {name}
        <input ref={box} class="mono" type="text" readOnly value={text} spellcheck={false} />
      </label>
      <p class="form-fault muted" role="status">
        {said.value}
      </p>
      <div class="dialog-buttons">
        <button type="button" class="button primary" onClick={copy}>
          Copy
        </button>
        <button type="submit" class="button">
          Done
        </button>
      </div>
    </form>
  )
}
