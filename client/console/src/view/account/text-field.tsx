import type { Signal } from '@preact/signals'

/** One line of a form, its label above it. */
export function TextField({
  id,
  label,
  value,
  type,
  autocomplete,
  hint,
  isWrong = false,
  readOnly = false,
  isRequired = true,
  maxLength,
}: {
  id: string
  label: string
  value: Signal<string>
  /** `text`: a password that is shown. */
  type: 'email' | 'password' | 'text'
  autocomplete: 'off' | 'username' | 'current-password' | 'new-password'
  hint?: string | undefined
  isWrong?: boolean
  readOnly?: boolean
  isRequired?: boolean
  maxLength?: number | undefined
}) {
  const attributes = {
    ...{ id, name: id, autocomplete, readOnly, maxLength, required: isRequired, spellcheck: false, autocapitalize: 'none' as const, value },
    'aria-invalid': isWrong,
    'aria-describedby': hint === undefined ? undefined : `${id}-hint`,
    onInput: (input: { currentTarget: HTMLInputElement }) => {
      value.value = input.currentTarget.value
    },
  }
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {type === 'email' && <input type="email" {...attributes} />}
      {type === 'password' && <input type="password" {...attributes} />}
      {type === 'text' && <input type="text" {...attributes} />}
      {hint !== undefined && (
        <span id={`${id}-hint`} class="muted">
          {hint}
        </span>
      )}
    </div>
  )
}
