import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { sayRefusal } from '../../account/passwords.ts'
import { api } from '../../api.ts'
import { FormEnd } from './form-end.tsx'
import { TextField } from './text-field.tsx'
import { useForm } from './use-form.ts'

/** Who forgot the password. The hub sends no mail: a person who runs it sees the request, and hands over a link. */
export function AskReset() {
  const email = useSignal('')
  const isAsked = useSignal(false)
  const { submit, isBusy, fault } = useForm({
    send: async () => {
      await api('POST', '/password-resets', { body: { email: email.value.trim() } })
      isAsked.value = true
    },
    say: (thrown) => sayRefusal(thrown, 'The hub does not take the request.'),
  })
  useEffect(() => {
    document.title = 'Forgot your password · Parley'
  }, [])
  if (isAsked.value) {
    return (
      <main class="notice">
        <h1>Your request is noted</h1>
        <p role="status">
          If somebody with this address uses the hub, those who run it see now that a new password is wanted. They give you a link that
          works once, for a day. No mail is sent.
        </p>
        <a href="/app/sign-in">Back to sign-in</a>
      </main>
    )
  }
  return (
    <main class="notice">
      <h1>Forgot your password?</h1>
      <p>Say who you are. Those who run the hub then give you a link by which you set a new one.</p>
      <form class="form" onSubmit={submit}>
        <TextField id="email" label="E-mail address" type="email" autocomplete="username" value={email} />
        <FormEnd fault={fault.value} isBusy={isBusy.value} does="Ask for a link" doing="Asking…" />
      </form>
      <a href="/app/sign-in">Back to sign-in</a>
    </main>
  )
}
