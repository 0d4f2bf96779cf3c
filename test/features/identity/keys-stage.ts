import type mongoose from 'mongoose'
import type { Refusal } from '../../../shared/protocol/index.ts'
import { createManualClock, type ManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, type Person, registerAgent, signUp } from '../../harness/people.ts'
import { openDatabaseOf } from '../../scenarios/stage.ts'

export interface Issued {
  key_id: string
  api_key: string
  prefix: string
  last4: string
  scopes: string[]
  expires_at: string | null
  profile?: object
}

export interface KeysStage {
  hub: TestHub
  clock: ManualClock
  database: mongoose.Connection
  /** An agent with a key of its own, for each test. */
  newAgent(): Promise<Person>
  admin: { bearer: string }
  ask<T = Refusal>(
    method: string,
    path: string,
    as?: { bearer: string },
    body?: unknown,
  ): Promise<{ status: number; body: T; headers: Headers }>
  /** Issues a key that must be given. */
  issue(agent: Person, body?: object, as?: { bearer: string }): Promise<Issued>
  rotate(agent: Person, key_id: string, body: object, as?: { bearer: string }): Promise<Issued>
  /** The status that a key gets: 200, or 401. */
  tried(key: { api_key: string }): Promise<number>
  /** The key that the agent was registered with. */
  firstKeyOf(agent: Person): Promise<string>
  user(roles?: string[]): Promise<Person>
  close(): Promise<void>
}

/** A hub with a hand-moved clock, and what one does to agents' keys there. */
export async function setKeysStage(): Promise<KeysStage> {
  const clock = createManualClock()
  const hub = await startHub({ clock })
  const database = await openDatabaseOf(hub)
  const ask: KeysStage['ask'] = (method, path, as, body) =>
    api(hub, method, path, { ...(body === undefined ? {} : { body }), ...(as === undefined ? {} : { bearer: as.bearer }) })

  async function must(method: string, path: string, as: { bearer: string }, body: object): Promise<Issued> {
    const answer = await ask<Issued>(method, path, as, body)
    if (answer.status !== 201) throw new Error(`${path} was refused: ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  return {
    ...{ hub, clock, database, ask, newAgent: () => registerAgent(hub), admin: { bearer: hub.operator_token } },
    issue: (agent, body = {}, as = agent) => must('POST', `/agents/${agent.id}/keys`, as, body),
    rotate: (agent, key_id, body, as = agent) => must('POST', `/agents/${agent.id}/keys/${key_id}/rotations`, as, body),
    tried: async ({ api_key }) => (await ask('GET', '/me', { bearer: api_key })).status,
    firstKeyOf: async (agent) => {
      const { body } = await ask<{ items: Pick<Issued, 'key_id' | 'prefix' | 'last4'>[] }>('GET', `/agents/${agent.id}/keys`, agent)
      // By what it is: the clock stands, and ids of one millisecond sort by chance.
      const own = body.items.filter(({ prefix, last4 }) => agent.bearer.startsWith(prefix) && agent.bearer.endsWith(last4))
      if (own.length !== 1) throw new Error(`${own.length} keys look like the agent's own`)
      return own[0]?.key_id ?? ''
    },
    user: (roles = ['requester']) => signUp(hub, roles),
    close: async () => {
      await database.close()
      await hub.close()
    },
  }
}
