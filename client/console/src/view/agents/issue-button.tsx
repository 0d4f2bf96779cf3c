import { useSignal } from '@preact/signals'
import { type Scope, scopeTable } from '../../../../../shared/protocol/access/scope-table.ts'
import { api } from '../../api.ts'
import { DialogButton } from '../dialog-button.tsx'
import { Checks, Choice, Field } from '../manage/fields.tsx'
import type { Secret } from '../shown-once.tsx'

const DAY_MS = 86_400_000
const LIVES = [
  ['', 'Never'],
  ['30', 'After 30 days'],
  ['90', 'After 90 days'],
  ['365', 'After a year'],
] as const
const REACHES = [
  ['all', 'All that the agent may'],
  ['some', 'Only some of it'],
] as const
// The cast holds: the table is a constant, and Object.entries only forgets its names.
const SCOPES = (Object.entries(scopeTable) as [Scope, { about: string }][]).map(
  ([scope, { about }]) => [scope, `${scope}: ${about}`] as const,
)

export function keyShown(api_key: string, title: string): Secret {
  return { title, name: 'API key', text: api_key, about: 'Copy it now: the hub keeps no copy, and it is not shown again.' }
}

/** Issues a key, and shows it this once. */
export function IssueButton({ path, onDone }: { path: string; onDone: () => void }) {
  const name = useSignal('')
  const life = useSignal('')
  const reach = useSignal('all')
  const scopes = useSignal<readonly Scope[]>([])
  return (
    <DialogButton
      {...{ label: 'Issue a key…', look: 'primary', title: 'Issue a key', does: 'Issue', doing: 'Issuing…' }}
      onOpen={() => {
        name.value = ''
        life.value = ''
        reach.value = 'all'
        scopes.value = []
      }}
      act={async () => {
        const body = {
          ...(name.value.trim() === '' ? {} : { name: name.value.trim() }),
          ...(reach.value === 'all' ? {} : { scopes: scopes.value }),
          ...(life.value === '' ? {} : { expires_at: new Date(Date.now() + Number(life.value) * DAY_MS).toISOString() }),
        }
        const { api_key } = await api<{ api_key: string }>('POST', path, { body, once: true })
        return keyShown(api_key, 'A new key')
      }}
      onDone={onDone}
    >
      <Field label="Name (optional)" value={name} maxLength={200} hint="For people: where the key is used." />
      <Choice label="It may do" value={reach} options={REACHES} />
      {reach.value === 'some' && <Checks legend="Scopes, for good" chosen={scopes} options={SCOPES} />}
      <Choice label="It ends" value={life} options={LIVES} />
    </DialogButton>
  )
}
