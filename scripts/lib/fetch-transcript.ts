import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'

const PAGE = 500
const ASK_MS = 30_000

const pageSchema = z.object({ events: z.array(z.unknown()), head: z.int() })

/** A whole log, page by page, from a contract's address on a hub. Throws a sentence that says what to do when the hub gives none. */
export async function fetchTranscript(address: string, token: string | undefined): Promise<{ contract_id: string; events: unknown[] }> {
  const contract_id = /\/contracts\/([^/?#]+)\/?$/.exec(address)?.[1]
  if (contract_id === undefined) throw new Error(`${address} is no contract's address: write http://127.0.0.1:6767/contracts/<contract_id>`)
  if (!token)
    throw new Error('PARLEY_TOKEN is not set: set it to an access token, a key, or what operator.token in the data directory holds')
  const events: unknown[] = []
  for (;;) {
    const page = await fetchPage(`${address.replace(/\/$/, '')}/events?after=${events.length}&limit=${PAGE}`, token)
    events.push(...page.events)
    if (page.events.length === 0 || events.length >= page.head) return { contract_id, events }
  }
}

async function fetchPage(url: string, token: string): Promise<z.infer<typeof pageSchema>> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(ASK_MS) }).catch(
    (cause: Error) => {
      throw new Error(`${new URL(url).origin} gives no answer (${cause.cause instanceof Error ? cause.cause.message : cause.message})`)
    },
  )
  const body: unknown = await response.json().catch(() => undefined) // what is no JSON is refused below
  if (response.ok) return pageSchema.parse(body)
  if (response.status === 429) {
    await delay(Number(response.headers.get('retry-after') ?? 1) * 1_000)
    return fetchPage(url, token)
  }
  const said = z.object({ detail: z.string().optional(), title: z.string(), fix: z.string() }).safeParse(body).data
  throw new Error(
    `the hub answered ${response.status}: ${said === undefined ? 'it gave no reason' : `${said.detail ?? said.title}. ${said.fix}`}`,
  )
}
