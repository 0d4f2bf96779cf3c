import { expect } from 'chai'
import { api, type Client, connectAs } from '../harness/people.ts'
import { createNetwork, type Network } from '../harness/processes/network.ts'
import { startRedis } from '../harness/processes/redis.ts'
import { until } from '../scenarios/stage.ts'
import { type Nodes, startNodes, stepUntil, wholeLog } from './nodes.ts'

interface Issued {
  key_id: string
  api_key: string
}

/** Each way. */
const DELAY_MS = 1_000

describe('the end of a key, on two nodes of which one hears the other late', () => {
  let nodes: Nodes
  let slow: Network
  let clients: Client[]

  beforeEach(async () => {
    const redis = await startRedis()
    const port = Number(new URL(redis.url).port)
    slow = await createNetwork({ targets: () => [{ host: '127.0.0.1', port }], delay_ms: () => DELAY_MS })
    const redisOf = (at: number, url: string) => (at === 1 ? `redis://127.0.0.1:${slow.port}` : url)
    nodes = await startNodes({ redis: Promise.resolve(redis), redisOf })
    clients = []
  })
  afterEach(async () => {
    for (const client of clients) client.close()
    await nodes.close()
    await slow.close()
  })

  async function issue(): Promise<Issued> {
    const { provider } = nodes
    return (await api<Issued>(nodes.hub(0), 'POST', `/agents/${provider.id}/keys`, { body: {}, bearer: provider.bearer })).body
  }

  async function join(key: Issued, at: number): Promise<Client> {
    const client = await nodes.join({ auth: { key: key.api_key } }, at)
    clients.push(client)
    return client
  }

  /** Both nodes take posts, without end. */
  function traffic(writers: Record<string, Client>) {
    let isOver = false
    let taken = 0
    const lanes = Object.entries(writers).map(async ([name, client]) => {
      for (let at = 0; !isOver; at++) {
        const frame = { contract_id: nodes.contract_id, key: `${name}-${at}`, body: `${name} says ${at}` }
        if (!(await client.ask('message.post', frame).catch(() => ({ ok: false }))).ok) return
        taken++
      }
    })
    return {
      taken: () => taken,
      stop: () => {
        isOver = true
        return Promise.all(lanes)
      },
    }
  }

  const lastOf = (client: Client) => client.events(nodes.contract_id).at(-1)?.seq

  async function mustEndAlike(key: Issued, cut: readonly (readonly [string, Client])[]): Promise<void> {
    const log = await wholeLog(nodes.hub(0), nodes.contract_id)
    const end = log.find((event) => event.type === 'key.ended' && event.data.key_id === key.key_id)?.seq
    const last = Object.fromEntries(cut.map(([name, client]) => [name, lastOf(client)]))
    console.log(`      key.ended at ${end}, the log goes on to ${log.length}; last delivered: ${JSON.stringify(last)}`)
    expect(last).to.deep.equal(Object.fromEntries(cut.map(([name]) => [name, end])))
    for (const [name, client] of cut) {
      expect(client.told.at(-1), name).to.deep.equal({ type: 'closing', payload: { code: 4403, reason: 'The key was revoked' } })
      const own = log.filter((event) => event.type === 'message.posted' && event.data.body.startsWith(`${name} `))
      expect(
        own.filter(({ seq }) => seq > (end ?? 0)),
        'nothing of its own stands behind it',
      ).to.deep.equal([])
    }
  }

  it('[CUT-9] delivery stops on both nodes at the same event, while both take posts and one is a second late', async () => {
    const [key, other] = [await issue(), await issue()]
    const [here, there, kept] = [await join(key, 0), await join(key, 1), await join(other, 1)]
    const [human, staff] = [await nodes.join(nodes.requester, 0), await nodes.join(nodes.staff, 1)]
    const flow = traffic({ human, staff, 'node 0': here, 'node 1': there })
    await until('there is traffic', () => flow.taken() > 200)
    const path = `/agents/${nodes.provider.id}/keys/${key.key_id}`
    expect((await api(nodes.hub(0), 'DELETE', path, { bearer: nodes.staff.bearer })).status).to.equal(204)
    expect(here.socket.connected, 'on this node at once').to.equal(false)
    await until('the other node hears of it', () => there.socket.disconnected)
    const before = flow.taken()
    await until('the others go on', () => flow.taken() > before + 100)
    await flow.stop()
    await mustEndAlike(key, [
      ['node 0', here],
      ['node 1', there],
    ])
    expect(kept.socket.connected).to.equal(true)
  })

  it('[CUT-10] a node that hears nothing cuts at the same event, by what it reads of the log', async () => {
    const key = await issue()
    const [here, there, idle] = [await join(key, 0), await join(key, 1), await connectAs(nodes.hub(1), { auth: { key: key.api_key } })]
    clients.push(idle)
    const writer = await nodes.join(nodes.requester, 0)
    slow.cut()
    const path = `/agents/${nodes.provider.id}/keys/${key.key_id}`
    expect((await api(nodes.hub(0), 'DELETE', path, { bearer: nodes.staff.bearer })).status).to.equal(204)
    for (let at = 0; at < 20; at++)
      await writer.must('message.post', { contract_id: nodes.contract_id, key: `deaf-${at}`, body: 'unheard' })
    // It has heard of nothing, and its connection writes: the log itself refuses.
    const late = await there
      .ask('message.post', { contract_id: nodes.contract_id, key: 'late', body: 'node 1 late' })
      .catch(() => undefined)
    expect(late === undefined || !late.ok).to.equal(true)
    await stepUntil(nodes, 'the sweep finds both', () => there.socket.disconnected && idle.socket.disconnected)
    await mustEndAlike(key, [
      ['node 0', here],
      ['node 1', there],
    ])
    expect(idle.told.at(-1)?.payload).to.deep.include({ code: 4403 })
  })
})
