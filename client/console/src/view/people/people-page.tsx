import { useSignal } from '@preact/signals'
import { Choice } from '../manage/fields.tsx'
import { ListView } from '../manage/list-view.tsx'
import { Page, useDone } from '../manage/page.tsx'
import { useList } from '../manage/use-list.ts'
import { InviteButton } from './invite-button.tsx'
import { type Person, PersonRow } from './person-row.tsx'

const STATUSES = [
  ['', 'Everybody'],
  ['active', 'Active'],
  ['invited', 'Invited'],
  ['disabled', 'Deactivated'],
] as const

/** Who uses the hub, for its admins. */
export function PeoplePage() {
  const status = useSignal('')
  const list = useList<Person>(status.value === '' ? '/users' : `/users?status=${status.value}`)
  const { said, done } = useDone(list.reload)
  return (
    <Page title="People" said={said} actions={<InviteButton onDone={() => done('The invitation is made.')} />}>
      <Choice label="Show" value={status} options={STATUSES} />
      <ListView list={list} what="The people" empty={<p>Nobody here.</p>}>
        {(person) => <PersonRow key={person.user_id} person={person} onDone={done} />}
      </ListView>
    </Page>
  )
}
