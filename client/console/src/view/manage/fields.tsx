import type { Signal } from '@preact/signals'
import type { ComponentProps } from 'preact'
import { useId } from 'preact/hooks'
import { TextField } from '../account/text-field.tsx'

type FieldKind = Pick<ComponentProps<typeof TextField>, 'type' | 'autocomplete'>

interface FieldProps {
  label: string
  value: Signal<string>
}

/** A line of a form that no browser need know by name. */
export function Field(props: Omit<ComponentProps<typeof TextField>, 'id' | 'type' | 'autocomplete'> & Partial<FieldKind>) {
  return <TextField id={useId()} type="text" autocomplete="off" isRequired={false} {...props} />
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
