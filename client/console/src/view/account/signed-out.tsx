import { useEffect } from 'preact/hooks'
import { PasswordForm } from './password-form.tsx'

const because = {
  never: { title: 'Sign in', text: 'You are not signed in to this hub.' },
  left: { title: 'You are signed out', text: 'This browser no longer has access to the hub.' },
  ended: { title: 'Your session has ended', text: 'The hub no longer accepts it. What you wrote is kept in this browser.' },
} as const

export function SignedOut({ because: why }: { because: keyof typeof because }) {
  const { title, text } = because[why]
  useEffect(() => {
    document.title = 'Sign in · Parley'
  }, [])
  return (
    <main class="notice">
      <h1>{title}</h1>
      <p>{text}</p>
      <PasswordForm />
      <HowToSignIn />
    </main>
  )
}

export function HowToSignIn() {
  return (
    <section class="other-way" aria-labelledby="by-link">
      <h2 id="by-link">By a link that works once</h2>
      <ul>
        <li>
          If the hub runs on your machine, <code>scripts/start</code> prints one.
        </li>
        <li>Else ask whoever runs the hub for a sign-in link.</li>
      </ul>
    </section>
  )
}
