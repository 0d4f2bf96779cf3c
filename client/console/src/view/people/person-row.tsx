import { useSignal } from '@preact/signals'
import type { UserRole, UserStatus } from '../../../../../shared/protocol/index.ts'
import { myself } from '../../account/session.ts'
import { api } from '../../api.ts'
import { plainName } from '../../untrusted-text.ts'
import { DialogButton } from '../dialog-button.tsx'
import { Icon, type IconName } from '../icon.tsx'
import { Checks, Field } from '../manage/fields.tsx'
import { Moment } from '../manage/moment.tsx'
import { Untrusted } from '../untrusted.tsx'
import { type Link, linkShown, ROLES } from './invite-button.tsx'

export interface Person {
  user_id: string
  email: string
  name: string
  roles: UserRole[]
  status: UserStatus
  created_at: string
  reset_asked_at?: string
  built_in?: 'operator'
}

const looks: Record<UserStatus, { icon: IconName; word: string; tone: string }> = {
  active: { icon: 'check', word: 'Active', tone: 'ok' },
  invited: { icon: 'clock', word: 'Invited', tone: 'waiting' },
  disabled: { icon: 'cross', word: 'Deactivated', tone: 'muted' },
}

interface Props {
  person: Person
  onDone: (sentence: string) => void
}

export function PersonRow({ person, onDone }: Props) {
  const { email, name, roles, status, created_at, reset_asked_at, built_in } = person
  const look = looks[status]
  return (
    <li class="item">
      <div class="item-facts">
        <p class="item-title">
          <bdi>
            <Untrusted text={name} />
          </bdi>
          <span class={`pill tone-${look.tone}`}>
            <Icon name={look.icon} />
            {look.word}
          </span>
          {person.user_id === myself()?.id && <span class="muted">you</span>}
        </p>
        <p class="muted">
          <bdi>
            <Untrusted text={email} />
          </bdi>
          , {roles.join(', ')}, since <Moment at={created_at} />
          {built_in !== undefined && ', the hub’s own admin'}
        </p>
        {reset_asked_at !== undefined && (
          <p class="item-notice tone-waiting">
            <Icon name="alert" />
            <span>
              Asked for a new password, <Moment at={reset_asked_at} />
            </span>
          </p>
        )}
      </div>
      <div class="item-actions">
        <ChangeButton person={person} onDone={onDone} />
        {status === 'active' && <ResetButton person={person} onDone={onDone} />}
        {status === 'invited' && <InviteAgainButton person={person} onDone={onDone} />}
        {status === 'disabled' && <ActivateButton person={person} onDone={onDone} />}
        {status === 'active' && built_in === undefined && <DeactivateButton person={person} onDone={onDone} />}
      </div>
    </li>
  )
}

/** In sentences and labels. */
const called = ({ name }: Person) => plainName(name)
const pathOf = ({ user_id }: Person) => `/users/${encodeURIComponent(user_id)}`

function ChangeButton({ person, onDone }: Props) {
  const name = useSignal(person.name)
  const roles = useSignal<readonly UserRole[]>(person.roles)
  return (
    <DialogButton
      {...{ label: 'Change…', ariaLabel: `Change ${called(person)}`, title: `Change ${called(person)}`, does: 'Save', doing: 'Saving…' }}
      onOpen={() => {
        name.value = person.name
        roles.value = person.roles
      }}
      act={() => {
        // Only what was changed: what somebody else changes meanwhile stays.
        const isSame = roles.value.length === person.roles.length && roles.value.every((role) => person.roles.includes(role))
        const body = {
          ...(name.value.trim() === person.name ? {} : { name: name.value.trim() }),
          ...(isSame ? {} : { roles: roles.value }),
        }
        return api<undefined>('PATCH', pathOf(person), { body }).then(() => undefined)
      }}
      onDone={() => onDone(`${plainName(name.value)} is changed.`)}
    >
      <Field label="Name" value={name} maxLength={200} isRequired />
      <Checks legend="Roles" chosen={roles} options={ROLES} />
      <p class="muted">It counts from the next request on.</p>
    </DialogButton>
  )
}

function ResetButton({ person, onDone }: Props) {
  return (
    <DialogButton
      {...{
        label: 'Reset link…',
        ariaLabel: `Reset link for ${called(person)}`,
        title: `A link to set a new password for ${called(person)}?`,
      }}
      {...{ does: 'Make the link', doing: 'Making it…' }}
      act={async () => {
        const link = await api<Link>('POST', `${pathOf(person)}/password-reset-links`, { once: true })
        return linkShown(link, { title: `A new password for ${called(person)}`, name: 'Reset link' })
      }}
      onDone={() => onDone('The reset link is made.')}
    >
      <p>Whoever opens it sets a new password and is signed in; everywhere else {called(person)} is signed out then.</p>
    </DialogButton>
  )
}

function InviteAgainButton({ person, onDone }: Props) {
  const { email, name, roles } = person
  return (
    <DialogButton
      {...{ label: 'New invitation…', ariaLabel: `New invitation for ${called(person)}`, title: `A new invitation for ${called(person)}?` }}
      {...{ does: 'Make the invitation', doing: 'Inviting…' }}
      act={async () => {
        const link = await api<Link>('POST', '/invitations', { body: { email, name, roles }, once: true })
        return linkShown(link, { title: `An invitation for ${called(person)}`, name: 'Invitation link' })
      }}
      onDone={() => onDone('The invitation is made.')}
    >
      <p>The one before no longer works then.</p>
    </DialogButton>
  )
}

function DeactivateButton({ person, onDone }: Props) {
  return (
    <DialogButton
      {...{ label: 'Deactivate…', ariaLabel: `Deactivate ${called(person)}`, title: `Deactivate ${called(person)}?`, isDanger: true }}
      {...{ does: 'Deactivate', doing: 'Deactivating…' }}
      act={() => api('PATCH', pathOf(person), { body: { status: 'disabled' } }).then(() => undefined)}
      onDone={() => onDone(`${called(person)} is deactivated.`)}
    >
      <p>
        {called(person)} is signed out everywhere at once and cannot sign in any more. Agents that {called(person)} owns work on: their keys
        are revoked one by one.
      </p>
    </DialogButton>
  )
}

function ActivateButton({ person, onDone }: Props) {
  return (
    <DialogButton
      {...{ label: 'Activate…', ariaLabel: `Activate ${called(person)}`, title: `Activate ${called(person)} again?`, does: 'Activate' }}
      doing="Activating…"
      act={() => api('PATCH', pathOf(person), { body: { status: 'active' } }).then(() => undefined)}
      onDone={() => onDone(`${called(person)} is active again.`)}
    >
      <p>{called(person)} can sign in again, with the password of before.</p>
    </DialogButton>
  )
}
