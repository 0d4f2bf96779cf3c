import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { RefusedError } from '../../../../sdk/index.ts'
import { type LinkOwner, type Me, redeemSignInLink, session, startSession, whoIsHere } from '../../account/session.ts'
import { api, toRefused } from '../../api.ts'
import { fixText } from '../../fix-text.ts'
import { navigate } from '../../route.ts'
import { Untrusted } from '../untrusted.tsx'
import { HowToSignIn } from './signed-out.tsx'

type Step =
  | { state: 'signing in' }
  /** Somebody else is signed in in this browser. */
  | { state: 'asking'; here: Me; whose: LinkOwner }
  | { state: 'failed'; error: RefusedError }

/**
 * Redeems at once where nobody else is signed in: the token stood behind the #, which no previewer of links sends, and a click would prove
 * nothing more. A network that fails leaves the link unused, so the token is kept for another try.
 */
export function SignIn({ token }: { token: string }) {
  const step = useSignal<Step>({ state: 'signing in' })

  const trying = (work: () => Promise<void>) => async () => {
    step.value = { state: 'signing in' }
    try {
      await work()
    } catch (thrown) {
      step.value = { state: 'failed', error: toRefused(thrown) }
    }
  }
  const begin = trying(async () => {
    const here = await whoIsHere()
    if (here === undefined) return redeemSignInLink(token)
    const whose = await api<LinkOwner>('POST', '/sign-in-links/look', { body: { token } })
    if (whose.user_id === here.id) return redeemSignInLink(token)
    step.value = { state: 'asking', here, whose }
  })
  const redeem = trying(() => redeemSignInLink(token))

  useEffect(() => void begin(), [token])

  const at = step.value
  if (at.state === 'asking') return <Replace {...at} onYes={() => void redeem()} onNo={() => void openRooms()} />
  if (at.state === 'failed')
    return at.error.code === 'UNAUTHENTICATED' ? <Spent /> : <Failed error={at.error} onRetry={() => void begin()} />
  return (
    <main class="notice" aria-busy="true">
      <h1>Parley</h1>
      <p>Signing you in …</p>
    </main>
  )
}

function Replace({ here, whose, onYes, onNo }: { here: Me; whose: LinkOwner; onYes: () => void; onNo: () => void }) {
  useEffect(() => {
    document.title = 'Sign in · Parley'
  }, [])
  return (
    <main class="notice">
      <h1>
        You are signed in as <Untrusted text={here.name} />
      </h1>
      <p>
        This link signs in <Untrusted text={whose.name} /> (<Untrusted text={whose.email} />
        ). Other pages of this browser end with that; what <Untrusted text={here.name} /> has begun to write stays in it for the next time.
      </p>
      <div class="notice-buttons">
        <button type="button" class="button primary" onClick={onNo}>
          <span>
            Stay signed in as <Untrusted text={here.name} />
          </span>
        </button>
        <button type="button" class="button" onClick={onYes}>
          <span>
            Sign in as <Untrusted text={whose.name} /> instead
          </span>
        </button>
      </div>
      <p class="muted">Who stays leaves the link unused.</p>
    </main>
  )
}

/** The link is left as it is. */
async function openRooms(): Promise<void> {
  navigate('/app/rooms', { replace: true })
  await startSession()
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
        {error.title}. {fixText(error)}
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
