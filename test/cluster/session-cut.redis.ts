import { expect } from 'chai'
import { api, type Client, signUp } from '../harness/people.ts'
import { createNetwork } from '../harness/processes/network.ts'
import { startRedis } from '../harness/processes/redis.ts'
import { type Nodes, startNodes, stepUntil } from './nodes.ts'

describe('the end of a human’s session, on two nodes', () => {
  let nodes: Nodes
  const clients: Client[] = []

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    await nodes.close()
  })

  /** A member of the staff, seated in the room on the node. */
  async function sit(at: number) {
    const person = await signUp(nodes.hub(0), ['reviewer'])
    const client = await nodes.join(person, at)
    clients.push(client)
    return { person, client }
  }

  it('[CUT-11] ends on one node: its connection on the other is closed at once, another user’s is not, and nothing is heard behind it', async () => {
    nodes = await startNodes()
    const [gone, stays] = [await sit(1), await sit(1)]
    const closing = gone.client.next('closing')
    // The clock stands: only the bus can tell.
    expect((await api(nodes.hub(0), 'DELETE', '/sessions', { bearer: gone.person.bearer })).status).to.equal(204)
    expect(await closing).to.include({ code: 4403 })
    const writer = await nodes.join(nodes.requester, 0)
    clients.push(writer)
    await writer.must('message.post', { contract_id: nodes.contract_id, key: 'after', body: 'behind the end' })
    await stays.client.event(nodes.contract_id, 'message.posted')
    expect(gone.client.events(nodes.contract_id)).to.deep.equal([])
    expect((await api(nodes.hub(1), 'GET', '/me', { bearer: gone.person.bearer })).status).to.equal(401)
  })

  it('[CUT-11] a node that hears nothing of the others closes it by its next look', async () => {
    const redis = await startRedis()
    const port = Number(new URL(redis.url).port)
    const network = await createNetwork({ targets: () => [{ host: '127.0.0.1', port }] })
    nodes = await startNodes({
      redis: Promise.resolve(redis),
      redisOf: (at, url) => (at === 1 ? `redis://127.0.0.1:${network.port}` : url),
    })
    try {
      const { person, client } = await sit(1)
      network.freeze()
      const closing = client.next('closing')
      let code: number | undefined
      void closing.then((told) => {
        code = told.code
      })
      expect((await api(nodes.hub(0), 'DELETE', '/sessions', { bearer: person.bearer })).status).to.equal(204)
      await stepUntil(nodes, 'the node has looked', () => code !== undefined)
      expect(code).to.equal(4403)
    } finally {
      network.mend()
      await network.close()
    }
  })
})
