import { useSignal } from '@preact/signals'
import { sayRefusal } from '../../account/passwords.ts'
import { signInByPassword } from '../../account/session.ts'
import { FormEnd } from './form-end.tsx'
import { TextField } from './text-field.tsx'
import { useForm } from './use-form.ts'

const WRONG = 'There is no user with this e-mail address and this password.'

export function PasswordForm() {
  const email = useSignal('')
  const password = useSignal('')
  const { submit, isBusy, fault } = useForm({
    send: () => signInByPassword(email.value.trim(), password.value),
    say: (thrown) => sayRefusal(thrown, WRONG),
  })
  return (
    <form class="form" onSubmit={submit}>
      <TextField id="email" label="E-mail address" type="email" autocomplete="username" value={email} isWrong={fault.value === WRONG} />
      <TextField
        id="password"
        label="Password"
        type="password"
        autocomplete="current-password"
        value={password}
        isWrong={fault.value === WRONG}
      />
      <FormEnd fault={fault.value} isBusy={isBusy.value} does="Sign in" doing="Signing in…" />
      <a href="/app/password-reset">Forgot your password?</a>
    </form>
  )
}
