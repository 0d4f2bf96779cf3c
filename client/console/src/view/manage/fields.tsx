import type { Signal } from '@preact/signals'
import { useId } from 'preact/hooks'

interface FieldProps {
  label: string
  value: Signal<string>
}

export function Field({
  label,
  value,
  type = 'text',
  hint,
  maxLength,
  isRequired = false,
  autocomplete = 'off',
}: FieldProps & {
  type?: 'text' | 'email' | 'password'
  hint?: string
  maxLength?: number
  isRequired?: boolean
  autocomplete?: 'off' | 'current-password' | 'new-password'
}) {
  const id = useId()
  const attributes = {
    ...{ id, maxLength, required: isRequired, autocomplete, spellcheck: false, autocapitalize: 'none' as const, value: value.value },
    'aria-describedby': hint === undefined ? undefined : `${id}-hint`,
    onInput: (input: { currentTarget: HTMLInputElement }) => {
      value.value = input.currentTarget.value
    },
  }
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {type === 'text' && <input type="text" {...attributes} />}
      {type === 'email' && <input type="email" {...attributes} />}
      {type === 'password' && <input type="password" {...attributes} />}
      {hint !== undefined && (
        <span id={`${id}-hint`} class="muted">
          {hint}
        </span>
      )}
    </div>
  )
}

export function Choice({ label, value, options }: FieldProps & { options: readonly (readonly [value: string, text: string])[] }) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value.value}
        onChange={(change) => {
          value.value = change.currentTarget.value
        }}
      >
        {options.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    </div>
  )
}

/** Several of a few, each with a word on what it means. */
export function Checks<T extends string>({
  legend,
  chosen,
  options,
}: {
  legend: string
  chosen: Signal<readonly T[]>
  options: readonly (readonly [value: T, text: string])[]
}) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      {options.map(([one, text]) => (
        <label class="check" key={one}>
          <input
            type="checkbox"
            checked={chosen.value.includes(one)}
            onChange={(change) => {
              chosen.value = change.currentTarget.checked ? [...chosen.value, one] : chosen.value.filter((other) => other !== one)
            }}
          />
          {text}
        </label>
      ))}
    </fieldset>
  )
}
