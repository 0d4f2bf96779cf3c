import type { WireEvent } from '../../shared/protocol/index.ts'
import { pauseOf } from './pause-of.ts'
import { isRecord, isRefusal, ownRefusal, RefusedError, toError } from './refused-error.ts'
import type { ConnectOptions, Principal } from './types.ts'

// A page of 500 events of the largest size, over a slow line.
const TIMEOUT_MS = 30_000

export interface EventsPage {
  events: WireEvent[]
  head: number
  epoch: string
}

/** The few questions that the sdk asks over HTTP: who am I, a page of a log, and the text of a call. */
export interface Http {
  me(): Promise<Principal>
  eventsAfter(contract_id: string, page: { after: number; limit?: number }): Promise<EventsPage>
  /** The whole streamed text of a call. */
  streamedText(contract_id: string, call_id: string): Promise<string>
}

/** `self`: who asks, once that is known. */
export function createHttp({ url, key, token }: Pick<ConnectOptions, 'key' | 'token'> & { url: string }, self = () => ''): Http {
  return {
    async me() {
      const answer = await get('/me')
      const { id, kind, name } = answer
      if (typeof id !== 'string' || typeof name !== 'string' || (kind !== 'user' && kind !== 'agent')) throw ownRefusal('ANSWER_INVALID')
      return { id, kind, name }
    },
    async eventsAfter(contract_id, { after, limit = 200 }) {
      const answer = await get(`/contracts/${encodeURIComponent(contract_id)}/events?after=${after}&limit=${limit}`)
      const { events, head, epoch } = answer
      if (!Array.isArray(events) || typeof head !== 'number' || typeof epoch !== 'string') throw ownRefusal('ANSWER_INVALID')
      // The hub made them by the same schemas; checking each one again would cost more than it finds.
      return { events: events as WireEvent[], head, epoch }
    },
    async streamedText(contract_id, call_id) {
      const response = await reach(`/contracts/${encodeURIComponent(contract_id)}/calls/${encodeURIComponent(call_id)}/text`)
      if (response.ok) return await response.text()
      throw await refusalOf(response)
    },
  }

  async function get(path: string): Promise<Record<string, unknown>> {
    const response = await reach(path)
    if (!response.ok) throw await refusalOf(response)
    const body: unknown = await response.json().catch(() => undefined)
    if (isRecord(body)) return body
    throw ownRefusal('ANSWER_INVALID', `GET ${path} is not JSON`)
  }

  async function reach(path: string): Promise<Response> {
    const secret = await resolveCredential(key ?? token)
    const headers: Record<string, string> = { accept: 'application/json' }
    if (secret !== undefined) headers.authorization = `Bearer ${secret}`
    // The browser's cookie may be somebody else's by now.
    else if (self()) headers['x-parley-principal'] = self()
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    return await fetch(new URL(path, url), { headers, signal }).catch((thrown: unknown) => {
      throw ownRefusal('UNREACHABLE', undefined, { cause: toError(thrown) })
    })
  }
}

async function refusalOf(response: Response): Promise<RefusedError> {
  const body: unknown = await response.json().catch(() => undefined)
  // The hub names the pause in its facts; what stands in front of it has the header alone.
  const pause_ms = pauseOf(response.headers.get('retry-after'))
  const facts = pause_ms === undefined ? {} : { retry_after_ms: pause_ms }
  if (isRefusal(body)) return new RefusedError({ ...body, facts: { ...facts, ...body.facts } })
  return ownRefusal('ANSWER_INVALID', `${response.url} answered ${response.status}`, { facts })
}

export async function resolveCredential(credential: ConnectOptions['key']): Promise<string | undefined> {
  return typeof credential === 'function' ? await credential() : credential
}
