import { useSignal } from '@preact/signals'
import { passwordFault } from '../../account/passwords.ts'
import { myself } from '../../account/session.ts'
import { api } from '../../api.ts'
import { faultText } from '../../fault-text.ts'
import { plainName } from '../../untrusted-text.ts'
import { DialogButton } from '../dialog-button.tsx'
import { Icon } from '../icon.tsx'
import { Field } from '../manage/fields.tsx'
import { ListView } from '../manage/list-view.tsx'
import { Moment } from '../manage/moment.tsx'
import { Page, useDone } from '../manage/page.tsx'
import { useList } from '../manage/use-list.ts'
import { Untrusted } from '../untrusted.tsx'
import { FormEnd } from './form-end.tsx'
import { SignOutButton } from './sign-out-button.tsx'
import { useForm } from './use-form.ts'

interface SessionItem {
  session_id: string
  kind: 'browser' | 'token'
  device: string
  created_at: string
  last_used_at: string
  expires_at: string
  current: boolean
}

/** One's own: where one is signed in, and the password. */
export function AccountPage() {
  const list = useList<SessionItem>('/sessions')
  const { said, done } = useDone(list.reload)
  const others = (list.listed.value.items ?? []).filter(({ current }) => !current).length
  return (
    <Page title="Your account" said={said}>
      <section aria-labelledby="sessions">
        <div class="section-head">
          <h2 id="sessions">Where you are signed in</h2>
          {others > 0 && (
            <DialogButton
              {...{ label: 'Sign out everywhere else…', title: 'Sign out everywhere else?', isDanger: true, look: 'danger' }}
              {...{ does: 'Sign out everywhere else', doing: 'Signing out…' }}
              act={() => api('DELETE', '/sessions?keep=current')}
              onDone={() => done('You are signed out everywhere else.')}
            >
              <p>Every other browser and program of yours is signed out at once, and what it has open is closed. This browser stays.</p>
            </DialogButton>
          )}
        </div>
        <ListView list={list} what="Your sessions" empty={<p>None that a list could show: you came in by a token.</p>}>
          {(item) => <SessionRow key={item.session_id} item={item} onEnded={() => done('The session has ended.')} />}
        </ListView>
      </section>
      <PasswordSection onChanged={() => done('Your password is changed, and you are signed out everywhere else.')} />
    </Page>
  )
}

function SessionRow({ item, onEnded }: { item: SessionItem; onEnded: () => void }) {
  const { session_id, kind, device, created_at, last_used_at, expires_at, current } = item
  return (
    <li class="item">
      <div class="item-facts">
        <p class="item-title">
          <bdi>
            <Untrusted text={device} />
          </bdi>
          {current ? (
            <span class="pill tone-ok">
              <Icon name="check" />
              This browser
            </span>
          ) : (
            <span class="muted">{kind === 'browser' ? 'Browser' : 'Program'}</span>
          )}
        </p>
        <p class="muted">
          Last used <Moment at={last_used_at} />, signed in <Moment at={created_at} />, ends <Moment at={expires_at} /> if it is not used
        </p>
      </div>
      <div class="item-actions">
        {current ? (
          <SignOutButton look="plain" />
        ) : (
          <DialogButton
            {...{ label: 'End…', ariaLabel: `End the session on ${plainName(device)}`, title: 'End this session?', isDanger: true }}
            {...{ does: 'End session', doing: 'Ending…' }}
            act={() => api('DELETE', `/sessions/${encodeURIComponent(session_id)}`)}
            onDone={onEnded}
          >
            <p>
              <bdi>
                <Untrusted text={device} />
              </bdi>{' '}
              is signed out at once, and what it has open is closed.
            </p>
          </DialogButton>
        )}
      </div>
    </li>
  )
}

function PasswordSection({ onChanged }: { onChanged: () => void }) {
  const current = useSignal('')
  const fresh = useSignal('')
  const { submit, isBusy, fault } = useForm({
    send: async () => {
      const wrong = passwordFault(fresh.value)
      if (wrong !== undefined) throw new PasswordFault(wrong)
      await api('PUT', '/users/me/password', { body: { current_password: current.value, new_password: fresh.value } })
      current.value = ''
      fresh.value = ''
      onChanged()
    },
    say: (thrown) => (thrown instanceof PasswordFault ? thrown.message : faultText(thrown)),
  })
  const name = myself()?.name ?? ''
  return (
    <section aria-labelledby="password-title">
      <div class="section-head">
        <h2 id="password-title">Password</h2>
      </div>
      <p class="muted">A new password signs you out everywhere else. Without one you sign in by links that work once.</p>
      <form class="form" onSubmit={submit}>
        {/* So that a password manager knows whose it is. */}
        <input class="hidden-visually" type="text" autocomplete="username" value={name} readOnly tabIndex={-1} aria-hidden="true" />
        <Field label="Current password" value={current} type="password" autocomplete="current-password" isRequired />
        <Field
          {...{ label: 'New password', value: fresh, hint: 'At least 10 characters; a few words are good.' }}
          {...{ type: 'password', autocomplete: 'new-password', isRequired: true }}
        />
        <FormEnd fault={fault.value} isBusy={isBusy.value} does="Change password" doing="Changing…" />
      </form>
    </section>
  )
}

class PasswordFault extends Error {}
