import { useSignal } from '@preact/signals'
import type { By, KeyEndReason, Profile } from '../../../../../shared/protocol/index.ts'
import { api } from '../../api.ts'
import { DialogButton } from '../dialog-button.tsx'
import { Icon, type IconName } from '../icon.tsx'
import { Choice, Field } from '../manage/fields.tsx'
import { Moment } from '../manage/moment.tsx'
import { ProfileBounds } from '../profile-bounds.tsx'
import { Untrusted } from '../untrusted.tsx'
import { keyShown } from './issue-button.tsx'
import { KeyHistory } from './key-history.tsx'

export interface AgentKey {
  key_id: string
  name: string | null
  prefix: string
  last4: string
  scopes: string[]
  status: 'active' | 'revoked'
  created_at: string
  created_by: By
  activated_at: string | null
  expires_at: string | null
  last_used_at: string | null
  uses: number
  rotated_to?: string
  profile?: Profile
  ended?: { at: string; by: By; reason: KeyEndReason }
}

interface Props {
  item: AgentKey
  /** Of the key, on the hub. */
  path: string
  mayRotate: boolean
  onDone: (sentence: string) => void
}

const endWords = { revoked: 'Revoked', rotated: 'Replaced', expired: 'Expired' } as const satisfies Record<KeyEndReason, string>

function lookOf({ status, ended, rotated_to, activated_at }: AgentKey): { icon: IconName; word: string; tone: string } {
  if (ended !== undefined) return { icon: 'cross', word: endWords[ended.reason], tone: 'muted' }
  if (status === 'revoked') return { icon: 'clock', word: 'Expired', tone: 'muted' }
  if (rotated_to !== undefined) return { icon: 'clock', word: 'Being replaced', tone: 'waiting' }
  if (activated_at === null) return { icon: 'clock', word: 'Not used yet', tone: 'accent' }
  return { icon: 'check', word: 'Active', tone: 'ok' }
}

export function KeyRow({ item, path, mayRotate, onDone }: Props) {
  const { name, prefix, last4, scopes, status, created_at, expires_at, last_used_at, uses, rotated_to, profile, ended } = item
  const look = lookOf(item)
  const isGood = status === 'active' && ended === undefined
  return (
    <li class="item">
      <div class="item-facts">
        <p class="item-title">
          {name !== null && (
            <bdi>
              <Untrusted text={name} />
            </bdi>
          )}
          <code>
            {prefix}…{last4}
          </code>
          <span class={`pill tone-${look.tone}`}>
            <Icon name={look.icon} />
            {look.word}
          </span>
        </p>
        <p class="muted">
          {scopes.includes('*') ? 'All that the agent may' : scopes.join(', ')}
          {profile === undefined ? '' : ', within the bounds below'}. Issued <Moment at={created_at} />
          {last_used_at === null ? (
            ', never used'
          ) : (
            <>
              , used {uses === 1 ? 'once' : `${uses.toLocaleString()} times`}, last <Moment at={last_used_at} />
            </>
          )}
          {ended !== undefined && (
            <>
              , ended <Moment at={ended.at} />
            </>
          )}
          {isGood && expires_at !== null && (
            <>
              , ends <Moment at={expires_at} />
            </>
          )}
        </p>
        {profile !== undefined && <ProfileBounds profile={profile} />}
        <KeyHistory path={path} version={`${uses} ${look.word}`} />
      </div>
      {isGood && (
        <div class="item-actions">
          {mayRotate && rotated_to === undefined && <RotateButton item={item} path={path} onDone={onDone} />}
          <RevokeButton item={item} path={path} onDone={onDone} />
        </div>
      )}
    </li>
  )
}

const GRACES = [
  ['86400', 'A day after the new one is first used'],
  ['3600', 'An hour after the new one is first used'],
  ['604800', 'A week after the new one is first used'],
  ['0', 'At once: it has leaked'],
] as const

const reasonIn = (text: string) => (text.trim() === '' ? {} : { reason: text.trim() })

function RotateButton({ item: { prefix, last4 }, path, onDone }: Omit<Props, 'mayRotate'>) {
  const grace = useSignal<string>(GRACES[0][0])
  const reason = useSignal('')
  return (
    <DialogButton
      {...{
        label: 'Rotate…',
        ariaLabel: `Rotate ${prefix}…${last4}`,
        title: 'Replace this key by a new one?',
        does: 'Rotate',
        doing: 'Rotating…',
      }}
      onOpen={() => {
        grace.value = GRACES[0][0]
        reason.value = ''
      }}
      act={async () => {
        const body = { grace_period_s: Number(grace.value), ...reasonIn(reason.value) }
        const { api_key } = await api<{ api_key: string }>('POST', `${path}/rotations`, { body, once: true })
        return keyShown(api_key, 'The new key')
      }}
      onDone={() => onDone('The key is rotated.')}
    >
      <p>
        The new key may do the same as <code>…{last4}</code>, and is good at once.
      </p>
      <Choice label="The old one ends" value={grace} options={GRACES} />
      <Field label="Reason (optional)" value={reason} maxLength={500} />
    </DialogButton>
  )
}

function RevokeButton({ item: { prefix, last4 }, path, onDone }: Omit<Props, 'mayRotate'>) {
  const reason = useSignal('')
  return (
    <DialogButton
      {...{ label: 'Revoke…', ariaLabel: `Revoke ${prefix}…${last4}`, title: 'Revoke this key?', isDanger: true }}
      {...{ does: 'Revoke', doing: 'Revoking…' }}
      onOpen={() => {
        reason.value = ''
      }}
      act={() => {
        const query = new URLSearchParams(reasonIn(reason.value)).toString()
        return api('DELETE', query === '' ? path : `${path}?${query}`)
      }}
      onDone={() => onDone('The key is revoked.')}
    >
      <p>
        Whatever uses <code>…{last4}</code> is cut off at once, and the rooms of the agent are told. This cannot be undone.
      </p>
      <Field label="Reason (optional)" value={reason} maxLength={500} />
    </DialogButton>
  )
}
