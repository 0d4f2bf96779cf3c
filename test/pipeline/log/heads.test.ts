import type { NetConnectOpts } from 'node:net'
import { expect } from 'chai'
import { createManualClock } from '../../harness/clock.ts'
import { startHub, type TestHub, testDatabase } from '../../harness/hub.ts'
import { type Client, connectAs, openContract, registerAgent, signUp } from '../../harness/people.ts'
import { createNetwork, type Network } from '../../harness/processes/network.ts'
import { type Home, makeHome } from '../../scenarios/stage.ts'

const ROOMS = 60
// BSON of `find: 'events'`: type string, the name, the length with its final zero, the text.
const FIND_EVENTS = Buffer.concat([Buffer.from('\u0002find\0'), Buffer.from([7, 0, 0, 0]), Buffer.from('events\0')])

/** Where the rooms of an agent stand, when none of them is in memory. */
describe('heads of many rooms', () => {
  let home: Home
  let network: Network
  let hub: TestHub
  let finds = 0

  before(async () => {
    home = await makeHome()
    const [, host = ''] = /^mongodb:\/\/([^/?]+)/.exec(await testDatabase()) ?? []
    const [name = '', port = '27017'] = host.split(':')
    const target: NetConnectOpts = host.includes('%2F') ? { path: decodeURIComponent(host) } : { host: name, port: Number(port) }
    const count = (piece: Buffer) => {
      for (let at = piece.indexOf(FIND_EVENTS); at !== -1; at = piece.indexOf(FIND_EVENTS, at + 1)) finds++
      return 'pass' as const
    }
    network = await createNetwork({ targets: () => [target], tap: () => ({ near: count }) })
    home.mongodb_uri = `mongodb://127.0.0.1:${network.port}/?directConnection=true`
  })

  after(async () => {
    await hub.close()
    await network.close()
  })

  it('[CALL-27] a hello and a beat find out where all rooms stand by a few queries, however many rooms and events there are', async () => {
    const limits = { frames_burst: 10_000, principal_frames_per_s: 10_000 }
    hub = await startHub({ like: home, limits })
    const [requester, provider] = [await signUp(hub), await registerAgent(hub)]
    const rooms = await Promise.all(
      Array.from({ length: ROOMS }, async () => (await openContract(hub, { requester, provider })).contract_id),
    )
    const human = await connectAs(hub, requester)
    const heads = new Map(rooms.map((contract_id) => [contract_id, 1]))
    const say = async (contract_id: string, key: string, client: Client = human) => {
      const { seq } = await client.must('message.post', { contract_id, key, body: 'x' })
      heads.set(contract_id, Math.max(seq, heads.get(contract_id) ?? 0))
    }
    // Logs of every length up to some tens.
    for (const [at, contract_id] of rooms.slice(0, 40).entries()) {
      for (let n = 0; n < at; n += 10)
        await Promise.all(Array.from({ length: Math.min(10, at - n) }, (_, m) => say(contract_id, `${n + m}`)))
    }
    human.close()
    await hub.close()

    // Its clock stands, so that it looks for nothing by itself.
    hub = await startHub({ like: home, clock: createManualClock() })
    const agent = await connectAs(hub, provider)
    finds = 0
    const { contracts } = await agent.must('agent.hello', { protocol: 1, agent: { name: 'a', version: '1' } })
    expect(new Map(contracts.map(({ contract_id, head }) => [contract_id, head]))).to.deep.equal(heads)
    expect(finds, 'for the hello').to.be.at.most(8)

    finds = 0
    const seqs = async () => Object.entries((await agent.must('agent.heartbeat', {})).heads).map(([id, { seq }]) => [id, seq] as const)
    expect(new Map(await seqs())).to.deep.equal(heads)
    expect(finds, 'for a beat').to.be.at.most(2)

    // What another node writes is seen, too.
    const other = await startHub({ like: home })
    const writer = await connectAs(other, { auth: { token: other.operator_token } })
    for (const [at, contract_id] of rooms.entries()) if (at % 7 === 0) await say(contract_id, 'later', writer)
    expect(new Map(await seqs())).to.deep.equal(heads)
    for (const client of [agent, writer]) client.close()
    await other.close()
  })
})
