import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { RefusedError } from '../../../../sdk/index.ts'
import { redeemSignInLink, session } from '../../account/session.ts'
import { toRefused } from '../../api.ts'
import { HowToSignIn } from './signed-out.tsx'

/**
 * Redeems at once: the token stood behind the #, which no previewer of links sends, and a click would prove nothing more. A network
 * that fails leaves the link unused, so the token is kept for another try.
 */
export function SignIn({ token }: { token: string }) {
  const error = useSignal<RefusedError | undefined>(undefined)

  async function redeem(): Promise<void> {
    error.value = undefined
    try {
      await redeemSignInLink(token)
    } catch (thrown) {
      error.value = toRefused(thrown)
    }
  }

  useEffect(() => void redeem(), [token])

  if (error.value === undefined) {
    return (
      <main class="notice" aria-busy="true">
        <h1>Parley</h1>
        <p>Signing you in …</p>
      </main>
    )
  }
  return error.value.code === 'UNAUTHENTICATED' ? <Spent /> : <Failed error={error.value} onRetry={redeem} />
}

function Spent() {
  return (
    <main class="notice">
      <h1>This link no longer works</h1>
      <p>A sign-in link works once, for 15 minutes. This one was used before, is older, or is not complete.</p>
      <p>
        {/* A page of its own, as below. */}
        <a href="/app/sign-in" target="_self">
          Sign in with your password
        </a>
      </p>
      <HowToSignIn />
      <p>
        If you are signed in already:{' '}
        <a href="/app/rooms" onClick={reload}>
          open the rooms
        </a>
      </p>
    </main>
  )
}

function Failed({ error, onRetry }: { error: RefusedError; onRetry: () => void }) {
  return (
    <main class="notice">
      <h1>You are not signed in yet</h1>
      <p role="status">
        {error.title}. {error.fix}
      </p>
      <button type="button" class="button primary" onClick={onRetry}>
        Try again
      </button>
    </main>
  )
}

/** A page of its own: this one began without asking who is signed in. */
function reload(click: MouseEvent): void {
  if (session.value.state !== 'starting') return
  click.preventDefault()
  location.assign('/app/rooms')
}
