import { randomUUID } from 'node:crypto'
import { api, type Person, registerAgent, signUp } from '../../harness/people.ts'

type Reach = Parameters<typeof registerAgent>[0]

/** A POST that makes something, and how what it made is known. */
export interface Maker {
  name: string
  path: string
  body: object
  /** Under the same key it is another request. */
  other: object
  /** In the answer, and never in a replay. */
  secret?: string
  /** What there is once it was made; the same, however often it was asked for. */
  made: { collection: string; filter: object }
  /** The secret does what it is for. */
  works?(secret: string): Promise<boolean>
}

/** Every POST that makes something, each with objects of its own. */
export async function makersOn(hub: Reach): Promise<Maker[]> {
  const [requester, provider] = [await signUp(hub), await registerAgent(hub)]
  const [email, invited] = [`${randomUUID()}@parley.invalid`, `${randomUUID()}@parley.invalid`]
  const [title, agent] = [`Contract ${randomUUID()}`, `Agent ${randomUUID()}`]
  const isKey = async (key: string) => (await api(hub, 'GET', '/me', { bearer: key })).status === 200
  const isInvitation = async (url: string) =>
    (await api(hub, 'POST', '/invitations/look', { body: { token: url.split('#token=')[1] } })).status === 200
  const person = { name: 'Ada', password: 'correct horse battery', roles: ['requester'] }
  const contract = { title, requester_id: requester.id, provider_id: provider.id }
  const named = { name: `key ${randomUUID()}` }
  return [
    {
      ...{ name: 'contracts', path: '/contracts', body: contract, other: { ...contract, title: 'Another' } },
      made: { collection: 'contracts', filter: { title } },
    },
    {
      ...{ name: 'users', path: '/users', body: { ...person, email }, other: { ...person, email: `x${email}` } },
      made: { collection: 'users', filter: { email } },
    },
    {
      ...{ name: 'invitations', path: '/invitations', secret: 'url', works: isInvitation },
      body: { email: invited, name: 'Eve', roles: ['provider'] },
      other: { email: `x${invited}`, name: 'Eve', roles: ['provider'] },
      made: { collection: 'users', filter: { email: invited } },
    },
    {
      ...{ name: 'agents', path: '/agents', body: { name: agent }, other: { name: 'Another' }, secret: 'api_key', works: isKey },
      made: { collection: 'agents', filter: { name: agent, live_keys: { $size: 1 } } },
    },
    {
      ...{ name: 'keys', path: `/agents/${provider.id}/keys`, body: named, other: { name: 'another' }, secret: 'api_key', works: isKey },
      made: { collection: 'agent_keys', filter: { agent_id: provider.id, ...named } },
    },
    await rotationOn(hub, await registerAgent(hub), isKey),
  ]
}

async function rotationOn(hub: Reach, agent: Person, works: (key: string) => Promise<boolean>): Promise<Maker> {
  const { body } = await api<{ items: { key_id: string }[] }>(hub, 'GET', `/agents/${agent.id}/keys`, { bearer: hub.operator_token })
  return {
    ...{ name: 'rotations', path: `/agents/${agent.id}/keys/${body.items[0]?.key_id}/rotations`, secret: 'api_key', works },
    ...{ body: { grace_period_s: 0 }, other: { grace_period_s: 60 } },
    made: { collection: 'agent_keys', filter: { agent_id: agent.id, 'rotated_from.key_id': body.items[0]?.key_id } },
  }
}
