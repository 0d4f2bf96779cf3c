import { signal } from '@preact/signals'
import type { UserRole } from '../../../../shared/protocol/index.ts'
import { connect, type Hub, type HubState, RefusedError } from '../../../sdk/index.ts'
import { api, asker, checkAsker, toRefused } from '../api.ts'
import { navigate, route } from '../route.ts'
import { removeLeftHere } from './left-here.ts'

export interface Me {
  id: string
  kind: 'user' | 'agent'
  name: string
  roles: UserRole[]
}

export type Session =
  | { state: 'starting' }
  /** `ended`: it was signed in before, and the hub ended that. */
  | { state: 'signed-out'; because: 'never' | 'left' | 'ended' }
  | { state: 'failed'; error: RefusedError }
  | { state: 'signed-in'; me: Me }

export const session = signal<Session>({ state: 'starting' })
export const hub = signal<Hub | undefined>(undefined)
export const hubState = signal<HubState>('connecting')

export const myself = (): Me | undefined => (session.value.state === 'signed-in' ? session.value.me : undefined)

/** Counts those who were signed in: what a former one's connection still says is nobody's news. */
let turn = 0
let last_id: string | undefined
/** The tabs of this browser have one cookie: who signs out in one has left the others too. */
const tabs = new BroadcastChannel('parley.left')
tabs.addEventListener('message', ({ data }) => onLeft(data))

/** Finds out who is signed in, and connects. */
export async function startSession(): Promise<void> {
  session.value = { state: 'starting' }
  asker.id = undefined
  const mine = ++turn
  try {
    const me = await api<Me>('GET', '/me')
    if (mine !== turn) return
    asker.id = me.id
    last_id = me.id
    session.value = { state: 'signed-in', me }
  } catch (thrown) {
    const error = toRefused(thrown)
    if (mine !== turn) return
    session.value = error.code === 'UNAUTHENTICATED' ? { state: 'signed-out', because: 'never' } : { state: 'failed', error }
    return
  }
  await openHub(mine)
}

/** Whose a link is (`POST /…/look`). */
export interface LinkOwner {
  user_id: string
  email: string
  name: string
}

/** Who is signed in in this browser, for a page that begins with a link; undefined when nobody is. */
export async function whoIsHere(): Promise<Me | undefined> {
  try {
    return await api<Me>('GET', '/me')
  } catch (thrown) {
    if (toRefused(thrown).code === 'UNAUTHENTICATED') return undefined
    throw thrown
  }
}

export async function redeemSignInLink(token: string): Promise<void> {
  await api('POST', '/sign-in-links/redeem', { body: { token } })
  await startSession()
  navigate('/app/rooms', { replace: true })
}

export async function signInByPassword(email: string, password: string): Promise<void> {
  await api('POST', '/sessions/browser', { body: { email, password } })
  await startSession()
  if (route.peek().page === 'sign-in') navigate('/app/rooms', { replace: true })
}

/** Sets the password that an invitation or a reset link is for, and is signed in by that. */
export async function redeemPasswordLink(kind: 'invitation' | 'password-reset', given: { token: string; password: string }): Promise<void> {
  await api('POST', `/${kind}s/redeem`, { body: given })
  await startSession()
  navigate('/app/rooms', { replace: true })
}

/** Leaves nothing of what was written in this browser: whoever asks for it has said so before. */
export async function signOut(): Promise<void> {
  const id = asker.id
  await api('DELETE', '/sessions/current').catch((thrown: unknown) => {
    // It had ended already: then what is left here is what remains to be done.
    if (toRefused(thrown).code !== 'UNAUTHENTICATED') throw thrown
  })
  await endSession('left')
  if (id === undefined) return
  removeLeftHere(id)
  tabs.postMessage(id)
}

function onLeft(id: unknown): void {
  if (id !== last_id) return
  const { state } = session.peek()
  if (state === 'signed-in') void endSession('left')
  // The hub's word was here first.
  else if (state === 'signed-out') session.value = { state, because: 'left' }
}

asker.onEnded = () => void endSession('ended')
asker.onSeen = (seen) => {
  // The cast holds: it is the hub's answer to GET /me.
  const me = seen as Me
  const before = myself()
  if (before !== undefined && JSON.stringify(before) !== JSON.stringify(me)) session.value = { state: 'signed-in', me }
}
// Somebody comes back to the page: is it still his?
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') void checkAsker()
})

async function openHub(mine: number): Promise<void> {
  hubState.value = 'connecting'
  try {
    const connected = await connect({ connect_timeout_ms: Number.POSITIVE_INFINITY })
    if (mine !== turn) return await connected.close()
    let fault: Error | undefined
    connected.on('problem', ({ during, error }) => {
      if (during === 'connection') fault = error
      console.warn(`parley: ${during}:`, error)
    })
    connected.on('state', (state) => {
      if (mine !== turn) return
      hubState.value = state
      if (state === 'closed' && fault !== undefined) void endSession('ended', fault)
    })
    hubState.value = connected.state
    hub.value = connected
  } catch (thrown) {
    if (mine === turn) await endSession('ended', thrown)
  }
}

async function endSession(because: 'left' | 'ended', fault?: unknown): Promise<void> {
  if (session.value.state !== 'signed-in') return
  turn += 1
  const open = hub.value
  hub.value = undefined
  asker.id = undefined
  const isAboutCredentials = !(fault instanceof RefusedError) || ['UNAUTHENTICATED', 'CREDENTIALS_ENDED'].includes(fault.code)
  session.value = isAboutCredentials ? { state: 'signed-out', because } : { state: 'failed', error: fault }
  await open?.close()
}
