const because = {
  never: { title: 'Sign in', text: 'You are not signed in to this hub.' },
  left: { title: 'You are signed out', text: 'This browser no longer has access to the hub.' },
  ended: { title: 'Your session has ended', text: 'The hub no longer accepts it. What you wrote is kept in this browser.' },
} as const

export function SignedOut({ because: why }: { because: keyof typeof because }) {
  const { title, text } = because[why]
  return (
    <main class="notice">
      <h1>{title}</h1>
      <p>{text}</p>
      <HowToSignIn />
    </main>
  )
}

export function HowToSignIn() {
  return (
    <>
      <p>You sign in by a link that works once. To get one:</p>
      <ul>
        <li>
          If the hub runs on your machine, <code>npm start</code> prints one.
        </li>
        <li>
          Else ask whoever runs the hub. Its operator makes a link by <code>POST /sign-in-links</code>.
        </li>
      </ul>
    </>
  )
}
