import { useSignal } from '@preact/signals'
import { useId } from 'preact/hooks'
import { navigate } from '../../route.ts'
import { Choice, Field } from '../manage/fields.tsx'
import { auditPath, type FilterName, type Filters } from './filters.ts'

const SEVERITIES = [
  ['', 'Any'],
  ['security', 'Security'],
  ['error', 'Errors'],
  ['warn', 'Warnings'],
  ['info', 'Infos'],
] as const

const MORE = [
  ['actor', 'Actor: an id, or an address'],
  ['subject', 'Subject: agent:…, contract:…, call:…'],
  ['agent_id', 'Agent id'],
  ['key_id', 'Key id'],
  ['task_id', 'Task id'],
] as const satisfies readonly (readonly [FilterName, string])[]

/** The filters of a search. They stand in the address, so that a search can be sent to somebody. */
export function FilterForm({ filters }: { filters: Filters }) {
  const q = useSignal(filters.q ?? '')
  const type = useSignal(filters.type ?? '')
  const severity = useSignal(filters.severity ?? '')
  const from = useSignal(filters.from ?? '')
  const to = useSignal(filters.to ?? '')
  const actor = useSignal(filters.actor ?? '')
  const subject = useSignal(filters.subject ?? '')
  const agent_id = useSignal(filters.agent_id ?? '')
  const key_id = useSignal(filters.key_id ?? '')
  const task_id = useSignal(filters.task_id ?? '')
  const all = { q, type, severity, from, to, actor, subject, agent_id, key_id, task_id }
  const asksMore = [from, to, ...MORE.map(([name]) => all[name])].some(({ value }) => value !== '')

  return (
    <form
      class="audit-filters"
      aria-label="Search the trail"
      onSubmit={(submit) => {
        submit.preventDefault()
        navigate(auditPath(Object.fromEntries(Object.entries(all).map(([name, { value }]) => [name, value.trim()]))))
      }}
    >
      <Field label="Words" value={q} maxLength={200} />
      <Field label="Type, or its family" value={type} maxLength={200} />
      <Choice label="Severity" value={severity} options={SEVERITIES} />
      <details open={asksMore}>
        <summary>More filters</summary>
        <div class="audit-more">
          {MORE.map(([name, label]) => (
            <Field key={name} label={label} value={all[name]} maxLength={200} />
          ))}
          <Day label="From" value={from} />
          <Day label="To" value={to} />
        </div>
      </details>
      <div class="audit-buttons">
        <button type="submit" class="button primary">
          Search
        </button>
        {Object.keys(filters).length > 0 && (
          <a class="button" href="/app/audit">
            Clear
          </a>
        )}
      </div>
    </form>
  )
}

function Day({ label, value }: { label: string; value: { value: string } }) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="date"
        value={value.value}
        onInput={(input) => {
          value.value = input.currentTarget.value
        }}
      />
    </div>
  )
}
