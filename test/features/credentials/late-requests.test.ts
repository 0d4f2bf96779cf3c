import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { expect } from 'chai'
import mongoose from 'mongoose'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, openContract, type Person, registerAgent, signUp } from '../../harness/people.ts'
import { until } from '../../scenarios/stage.ts'

interface Slow {
  asked: { method: string; path: string; body: object; by: Person }
  /** What ends the right by which it was asked. */
  change(): Promise<{ status: number }>
  status: number
  /** What it would have changed. */
  look(): Promise<unknown>
}

describe('requests that are late', () => {
  let hub: TestHub
  let connection: mongoose.Connection

  before(async () => {
    hub = await startHub()
    connection = await mongoose.createConnection(hub.mongodb_uri, { dbName: hub.database_name }).asPromise()
  })
  after(async () => {
    await connection.close()
    await hub.close()
  })

  const patchUser = (id: string, body: object, bearer = hub.operator_token) => api(hub, 'PATCH', `/users/${id}`, { body, bearer })
  const permissions = async (path: string) => {
    const { body } = await api<Record<string, unknown>>(hub, 'GET', `${path}/permissions`, { bearer: hub.operator_token })
    return body['can_access_web']
  }

  /** Sends a request but for the last byte of its body, once the hub knows who asks; answers how to send that byte. */
  async function begin({ method, path, body, by }: Slow['asked']): Promise<() => Promise<number>> {
    const text = JSON.stringify(body)
    const headers = { authorization: `Bearer ${by.bearer}`, 'content-type': 'application/json', 'content-length': text.length }
    const sent = request(hub.url + path, { method, headers })
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>
    // Counted behind the proof of who asks, and before the body is read.
    const count = async () =>
      (await connection.collection('rate_limits').findOne({ key: new RegExp(`^write:.*${by.id}`) }))?.['points'] ?? 0
    const before = await count()
    sent.write(text.slice(0, -1))
    await until('it is counted', async () => (await count()) > before)
    return async () => {
      sent.end(text.slice(-1))
      const [response] = await answered
      response.resume()
      return response.statusCode ?? 0
    }
  }

  const cases: Record<string, () => Promise<Slow>> = {
    'of a user who is disabled': async () => {
      const { contract_id, requester } = await openContract(hub)
      return {
        asked: { method: 'PUT', path: `/contracts/${contract_id}/permissions`, body: { can_access_web: true }, by: requester },
        change: () => patchUser(requester.id, { status: 'disabled' }),
        look: () => permissions(`/contracts/${contract_id}`),
        status: 401,
      }
    },
    'of a session that ends': async () => {
      const { contract_id, requester } = await openContract(hub)
      return {
        asked: { method: 'PUT', path: `/contracts/${contract_id}/permissions`, body: { can_access_web: true }, by: requester },
        change: () => api(hub, 'DELETE', '/sessions/current', { bearer: requester.bearer }),
        look: () => permissions(`/contracts/${contract_id}`),
        status: 401,
      }
    },
    'of staff whose role is taken': async () => {
      const [staff, agent] = [await signUp(hub, ['reviewer']), await registerAgent(hub)]
      return {
        asked: { method: 'PUT', path: `/agents/${agent.id}/permissions`, body: { can_access_web: true }, by: staff },
        change: () => patchUser(staff.id, { roles: ['requester'] }),
        look: () => permissions(`/agents/${agent.id}`),
        status: 404,
      }
    },
    'of a key that is revoked': async () => {
      const agent = await registerAgent(hub)
      const { body: key } = await api<{ key_id: string; api_key: string }>(hub, 'POST', `/agents/${agent.id}/keys`, {
        body: {},
        bearer: agent.bearer,
      })
      const other = await registerAgent(hub)
      return {
        asked: {
          ...{ method: 'POST', path: '/contracts', by: { ...agent, bearer: key.api_key } },
          body: { title: 'Late', requester_id: agent.id, provider_id: other.id },
        },
        change: () => api(hub, 'DELETE', `/agents/${agent.id}/keys/${key.key_id}`, { bearer: agent.bearer }),
        look: async () => (await api<{ total: number }>(hub, 'GET', '/contracts', { bearer: agent.bearer })).body.total,
        status: 401,
      }
    },
  }

  for (const [what, make] of Object.entries(cases)) {
    it(`[CUT-15] one that came before its right ended, and whose body comes behind it, does nothing: ${what}`, async () => {
      const { asked, change, look, status } = await make()
      const before = await look()
      const finish = await begin(asked)
      expect((await change()).status).to.be.within(200, 204)
      expect(await finish()).to.equal(status)
      expect(await look()).to.equal(before)
    })
  }

  it('[CUT-16] what such a one has begun is done before the end of its right is answered', async () => {
    const dear = await startHub({ like: hub, dear_passwords: true })
    const admin = await signUp(hub, ['admin'])
    const email = `${randomUUID()}@parley.invalid`
    const body = { email, name: 'Late', password: 'correct horse', roles: ['requester'] }
    const made = api(dear, 'POST', '/users', { body, bearer: admin.bearer })
    // The hash of the password is under way meanwhile.
    await dear.get('/me', admin.bearer)
    const ended = await api(dear, 'PATCH', `/users/${admin.id}`, { body: { roles: ['requester'] }, bearer: dear.operator_token })
    expect(ended.status).to.equal(200)
    const isThere = await connection.collection('users').countDocuments({ email })
    expect((await made).status).to.equal(isThere === 1 ? 201 : 403)
    await dear.close()
  })

  it('[CUT-16] those who end each other’s rights at once do not wait for each other', async () => {
    const admins = await Promise.all([1, 2, 3].map(() => signUp(hub, ['admin'])))
    const ends = admins.flatMap(({ bearer }) => admins.map(({ id }) => patchUser(id, { roles: ['requester'] }, bearer)))
    for (const { status } of await Promise.all(ends)) expect(status).to.be.oneOf([200, 401, 403])
  })
})
