import type { Refusal } from '../../../shared/protocol/index.ts'
import { RefusedError } from '../../sdk/index.ts'
import { askPatiently } from './waiting.ts'

interface Asker {
  id: string | undefined
  onEnded: () => void
  /** He is who he was; his name and roles may be others. */
  onSeen: (me: unknown) => void
}

/** Whom this page is for, while somebody is signed in; and what happens when the browser's cookie is no longer his. */
export const asker: Asker = { id: undefined, onEnded: () => undefined, onSeen: () => undefined }

// Longer than a busy hub needs, shorter than a person's patience.
const TIMEOUT_MS = 20_000
const READS = ['GET', 'HEAD']

interface Asked {
  body?: unknown
  signal?: AbortSignal
  /** Of a POST: it is sent with a key, and happens once however often it goes. */
  once?: true
}

interface Sent extends Omit<Asked, 'once'> {
  key?: string
}

/**
 * Asks the hub over HTTP, with the browser's cookie. Rejects with a RefusedError: the hub's own, or UNREACHABLE. What may go twice waits by
 * itself where the hub asks for a pause.
 */
export async function api<T>(method: string, path: string, { once, ...asked }: Asked = {}): Promise<T> {
  const sent: Sent = once ? { ...asked, key: crypto.randomUUID() } : asked
  let response = await ask(method, path, sent)
  if (response.status === 403 && (await isAboutToken(response))) {
    // The token's cookie was lost or is of another session: any read of ours brings it.
    await ask('GET', '/me', sent.signal === undefined ? {} : { signal: sent.signal })
    response = await ask(method, path, sent)
  }
  if (response.status === 204) return undefined as T
  const answer: unknown = await response.json().catch(() => undefined)
  // The hub answered by its own schema for this route; a page is as old as the hub that served it, or nearly.
  if (response.ok && answer !== undefined) return answer as T
  return refuse(response, answer)
}

/** What is refused may be so because he is not what he was. */
function refuse(response: Response, answer: unknown): never {
  if (response.status === 401 || response.status === 403) void checkAsker()
  throw new RefusedError(isProblem(answer) ? answer : notOurs(response.status))
}

/** Asks whether the browser's cookie is still that of whom this page is for; another tab, or a link, may have replaced it. */
export async function checkAsker(): Promise<void> {
  const { id } = asker
  if (id === undefined) return
  const response = await send('GET', '/me', {}).catch(() => undefined)
  const me: unknown = response?.ok ? await response.json().catch(() => undefined) : undefined
  if (id !== asker.id) return
  if (response?.status === 401) asker.onEnded()
  else if (me !== undefined) asker.onSeen(me)
}

/** The same for an answer that is plain text. */
export async function apiText(path: string): Promise<string> {
  const response = await ask('GET', path, {})
  if (response.ok) return response.text()
  return refuse(response, await response.json().catch(() => undefined))
}

export function toRefused(thrown: unknown): RefusedError {
  if (thrown instanceof RefusedError) return thrown
  return new RefusedError({
    ...{ code: 'CONSOLE_FAULT', title: 'The console failed', detail: String(thrown) },
    ...{ fix: 'Reload the page.', retry: 'never', correlation_id: '' },
  })
}

function ask(method: string, path: string, sent: Sent): Promise<Response> {
  const mayGoTwice = READS.includes(method) || sent.key !== undefined
  return mayGoTwice ? askPatiently(() => send(method, path, sent), sent.signal) : send(method, path, sent)
}

async function send(method: string, path: string, { body, signal, key }: Sent): Promise<Response> {
  const limit = AbortSignal.timeout(TIMEOUT_MS)
  const init: RequestInit = {
    method,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...(READS.includes(method) ? {} : csrfHeader()),
      ...(asker.id === undefined ? {} : { 'x-parley-principal': asker.id }),
    },
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }
  try {
    return await fetch(path, init)
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new RefusedError(unreachable, { cause })
  }
}

/** What shows that a page of ours asks: others can neither read the cookie nor send the header. */
function csrfHeader(): Record<string, string> {
  const token = /(?:^|; )__Host-parley-csrf=([^;]*)/.exec(document.cookie)?.[1]
  return token === undefined ? {} : { 'x-csrf-token': token }
}

async function isAboutToken(response: Response): Promise<boolean> {
  const answer: unknown = await response
    .clone()
    .json()
    .catch(() => undefined)
  return isProblem(answer) && answer.code === 'CSRF_TOKEN_INVALID'
}

const unreachable: Refusal = {
  code: 'UNREACHABLE',
  title: 'The hub cannot be reached',
  fix: 'Check that it is running and that you are online, then try again.',
  retry: 'later',
  correlation_id: '',
}

function notOurs(status: number): Refusal {
  const fix = 'Something between this page and the hub answered in its place. Try again, then ask whoever runs the hub.'
  return { code: 'ANSWER_INVALID', title: `The answer ${status} is not the hub's`, fix, retry: 'later', correlation_id: '' }
}

function isProblem(value: unknown): value is Refusal {
  if (typeof value !== 'object' || value === null) return false
  const { code, title, fix } = value as Partial<Record<keyof Refusal, unknown>>
  return [code, title, fix].every((text) => typeof text === 'string')
}
