import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { RefusedError } from '../../../../sdk/index.ts'
import { passwordFault, sayRefusal } from '../../account/passwords.ts'
import { type LinkOwner, redeemPasswordLink, whoIsHere } from '../../account/session.ts'
import { api, toRefused } from '../../api.ts'
import { Starting } from '../starting.tsx'
import { Trouble } from '../trouble.tsx'
import { Untrusted } from '../untrusted.tsx'
import { FormEnd } from './form-end.tsx'
import { TextField } from './text-field.tsx'
import { useForm } from './use-form.ts'

export type PasswordLink = 'invitation' | 'password-reset'

const words = {
  invitation: {
    title: (name: string) => `Welcome, ${name}`,
    text: 'Choose a password. With it and your e-mail address you sign in from now on.',
    does: 'Set password and open Parley',
    spent: 'This invitation no longer works',
    why: 'An invitation works once, for 7 days, and a newer one replaces it. If you have set a password already, sign in with it; else ask for a new invitation.',
  },
  'password-reset': {
    title: (name: string) => `A new password for ${name}`,
    text: 'Choose a new password. Everywhere else you are signed out then.',
    does: 'Set new password',
    spent: 'This link no longer works',
    why: 'A link to set a password works once, for a day. Ask those who run the hub for a new one.',
  },
} as const

interface Whose extends LinkOwner {
  /** Who is signed in in this browser, as another one. */
  here?: string
}

type Looked = { state: 'looking' } | { state: 'good'; whose: Whose } | { state: 'spent' } | { state: 'failed'; error: RefusedError }

/** Where an invitation or a reset link leads. It asks first whose link it is, so that nobody types a password for a spent one. */
export function SetPassword({ kind, token }: { kind: PasswordLink; token: string }) {
  const looked = useSignal<Looked>({ state: 'looking' })

  async function look(): Promise<void> {
    looked.value = { state: 'looking' }
    try {
      const whose = await api<LinkOwner>('POST', `/${kind}s/look`, { body: { token } })
      const here = await whoIsHere()
      const isAnother = here !== undefined && here.id !== whose.user_id
      looked.value = { state: 'good', whose: isAnother ? { ...whose, here: here.name } : whose }
    } catch (thrown) {
      const error = toRefused(thrown)
      looked.value = error.code === 'UNAUTHENTICATED' ? { state: 'spent' } : { state: 'failed', error }
    }
  }
  useEffect(() => void look(), [kind, token])

  if (looked.value.state === 'looking') return <Starting text="Looking at your link …" />
  if (looked.value.state === 'spent') return <SpentPasswordLink kind={kind} />
  if (looked.value.state === 'failed') {
    return (
      <main class="notice">
        <h1>Parley</h1>
        <Trouble error={looked.value.error} what="Your link" onRetry={() => void look()} />
      </main>
    )
  }
  return <Choose kind={kind} token={token} whose={looked.value.whose} onSpent={() => (looked.value = { state: 'spent' })} />
}

export function SpentPasswordLink({ kind }: { kind: PasswordLink }) {
  return (
    <main class="notice">
      <h1>{words[kind].spent}</h1>
      <p>{words[kind].why}</p>
      {/* A page of its own: this one began without asking who is signed in. */}
      <a href="/app/sign-in" target="_self">
        Go to sign-in
      </a>
    </main>
  )
}

function Choose({ kind, token, whose, onSpent }: { kind: PasswordLink; token: string; whose: Whose; onSpent: () => void }) {
  const email: Signal<string> = useSignal(whose.email)
  const password = useSignal('')
  const isShown = useSignal(false)
  const { submit, isBusy, fault } = useForm({
    send: async () => {
      const wrong = passwordFault(password.value)
      if (wrong !== undefined) throw new WrongPassword(wrong)
      await redeemPasswordLink(kind, { token, password: password.value }).catch((thrown: unknown) => {
        if (toRefused(thrown).code === 'UNAUTHENTICATED') onSpent()
        throw thrown
      })
    },
    say: (thrown) => (thrown instanceof WrongPassword ? thrown.message : sayRefusal(thrown, words[kind].spent)),
  })
  useEffect(() => {
    document.title = 'Set a password · Parley'
  }, [])
  return (
    <main class="notice">
      <h1>
        <Untrusted text={words[kind].title(whose.name)} />
      </h1>
      <p>{words[kind].text}</p>
      {whose.here !== undefined && (
        <p>
          You are signed in as <Untrusted text={whose.here} />: setting the password signs in <Untrusted text={whose.name} /> in this
          browser instead.
        </p>
      )}
      <form class="form" onSubmit={submit}>
        <TextField id="email" label="E-mail address" type="email" autocomplete="username" value={email} readOnly />
        <TextField
          {...{ id: 'password', label: 'Password', autocomplete: 'new-password', value: password }}
          type={isShown.value ? 'text' : 'password'}
          hint="At least 10 characters; a few words are good."
          isWrong={fault.value !== undefined}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={isShown.value}
            onChange={(change) => {
              isShown.value = change.currentTarget.checked
            }}
          />
          Show password
        </label>
        <FormEnd fault={fault.value} isBusy={isBusy.value} does={words[kind].does} doing="Setting…" />
      </form>
    </main>
  )
}

class WrongPassword extends Error {}
