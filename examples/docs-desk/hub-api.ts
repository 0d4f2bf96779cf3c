import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { logLine } from './log-line.ts'

const TIMEOUT_MS = 10_000
const PAUSE_MS = 500

const agentSchema = z.object({ agent_id: z.string(), api_key: z.string() })
const meSchema = z.object({ id: z.string() })
const openedSchema = z.object({ contract_id: z.string() })
const contractSchema = z.object({ state: z.string(), provider_id: z.string() })

interface Answered {
  status: number
  answer: unknown
}

/** What is done once over HTTP, as the operator. Waits for a hub that is not there (yet); throws what the hub refuses. */
export function createHubApi({ hub_url, operator_token }: { hub_url: string; operator_token: string }, signal: AbortSignal) {
  async function ask(method: 'GET' | 'POST', path: string, body?: object): Promise<Answered> {
    for (let attempt = 1; ; attempt += 1) {
      const answered = await tryOnce(method, path, body)
      if (answered !== undefined && !isPassing(answered)) return answered
      if (attempt === 1)
        logLine('warn', 'The hub is not there, or not able to answer; waiting for it', { hub_url, status: answered?.status })
      await delay(PAUSE_MS, undefined, { signal })
    }
  }

  async function tryOnce(method: string, path: string, body: object | undefined): Promise<Answered | undefined> {
    signal.throwIfAborted()
    const headers = { authorization: `Bearer ${operator_token}`, 'content-type': 'application/json' }
    const init = { method, headers, signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) }
    try {
      const response = await fetch(new URL(path, hub_url), body === undefined ? init : { ...init, body: JSON.stringify(body) })
      const text = await response.text()
      return { status: response.status, answer: parseJson(text) }
    } catch {
      return undefined // not listening, or too slow: the caller tries again
    }
  }

  async function must<T>(schema: z.ZodType<T>, method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
    const { status, answer } = await ask(method, path, body)
    const parsed = schema.safeParse(answer)
    if (status >= 200 && status < 300 && parsed.success) return parsed.data
    throw new Error(`The hub answered ${method} ${path} with ${status}: ${JSON.stringify(answer)}`)
  }

  return {
    registerAgent: (name: string) => must(agentSchema, 'POST', '/agents', { name }),
    operatorId: async () => (await must(meSchema, 'GET', '/me')).id,
    openContract: async (contract: { title: string; requester_id: string; provider_id: string }) =>
      (await must(openedSchema, 'POST', '/contracts', contract)).contract_id,
    /** Whether the contract is there, open, and the agent's. */
    async isOpen({ contract_id, agent_id }: { contract_id: string; agent_id: string }): Promise<boolean> {
      const { status, answer } = await ask('GET', `/contracts/${encodeURIComponent(contract_id)}`)
      if (status === 404) return false
      const contract = contractSchema.safeParse(answer)
      if (status !== 200 || !contract.success)
        throw new Error(`The hub answered GET /contracts/:id with ${status}: ${JSON.stringify(answer)}`)
      return contract.data.state === 'open' && contract.data.provider_id === agent_id
    },
  }
}

/** A refusal that a pause can mend, or a proxy's word (502 to 504) for a hub that is not there. */
function isPassing({ status, answer }: Answered): boolean {
  return (status >= 502 && status <= 504) || z.object({ retry: z.literal('later') }).safeParse(answer).success
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text // the schemas refuse it, and the error shows it
  }
}

export type HubApi = ReturnType<typeof createHubApi>
