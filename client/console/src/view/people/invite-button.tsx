import { useSignal } from '@preact/signals'
import type { UserRole } from '../../../../../shared/protocol/index.ts'
import { api } from '../../api.ts'
import { fullTimeOf } from '../../time.ts'
import { plainName } from '../../untrusted-text.ts'
import { DialogButton } from '../dialog-button.tsx'
import { Checks, Field } from '../manage/fields.tsx'
import type { Secret } from '../shown-once.tsx'

export const ROLES = [
  ['requester', 'Requester: asks for work'],
  ['provider', 'Provider: does work'],
  ['reviewer', 'Reviewer: staff, sees every room'],
  ['admin', 'Admin: staff, and manages people and agents'],
] as const satisfies readonly (readonly [UserRole, string])[]

export interface Link {
  url: string
  expires_at: string
}

export function linkShown({ url, expires_at }: Link, { title, name }: { title: string; name: string }): Secret {
  const about = `No mail is sent: hand the link over yourself, by a way that you trust. It works once, until ${fullTimeOf(expires_at)}, and is not shown again.`
  return { title, name, text: url, about }
}

/** Invites somebody, and shows the link to hand over. */
export function InviteButton({ onDone }: { onDone: () => void }) {
  const email = useSignal('')
  const name = useSignal('')
  const roles = useSignal<readonly UserRole[]>(['requester'])
  return (
    <DialogButton
      {...{ label: 'Invite…', look: 'primary', title: 'Invite a person', does: 'Make the invitation', doing: 'Inviting…' }}
      onOpen={() => {
        email.value = ''
        name.value = ''
        roles.value = ['requester']
      }}
      act={async () => {
        const body = { email: email.value.trim(), name: name.value.trim(), roles: roles.value }
        const link = await api<Link>('POST', '/invitations', { body, once: true })
        return linkShown(link, { title: `An invitation for ${plainName(body.name)}`, name: 'Invitation link' })
      }}
      onDone={onDone}
    >
      <Field label="E-mail address" value={email} type="email" maxLength={254} isRequired />
      <Field label="Name" value={name} maxLength={200} isRequired />
      <Checks legend="Roles" chosen={roles} options={ROLES} />
    </DialogButton>
  )
}
