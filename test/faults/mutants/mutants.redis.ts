import { expect } from 'chai'
import { createHistory } from '../../harness/history/history.ts'
import { readLog } from '../../harness/history/read-log.ts'
import { connectAs, openContract, type Person } from '../../harness/people.ts'
import { createRandom } from '../../harness/random.ts'
import { startWorld } from '../world.ts'
import { mutantEnv } from './mutants.ts'

describe('wrong nodes over real sockets and a real Redis', function () {
  this.timeout(120_000)

  it('[HIST-10] nodes that pass on what they hear, instead of folding it, show a hole where the bus lost something', async () => {
    expect(await heardBehindALoss(mutantEnv('does not fold the word of others'))).to.include('seen-hole')
  })

  it('[HIST-10] right ones, by the same steps, show none', async () => {
    expect(await heardBehindALoss({})).to.deep.equal([])
  })
})

/** One posts on a node while Redis lets nobody publish, and once more when it does; another looks on from the other node. */
async function heardBehindALoss(env: Record<string, string>): Promise<string[]> {
  const world = await startWorld({ nodes: 2, env })
  const history = createHistory()
  const networks = await Promise.all([0, 1].map((home) => world.network(home, createRandom(home))))
  try {
    const [writing, reading] = world.people as [Person, Person]
    const { contract_id } = await openContract(world.hub(), { requester: writing })
    const clients = [
      await connectAs({ url: networks[0]?.url ?? '' }, writing),
      await connectAs({ url: networks[1]?.url ?? '' }, reading),
    ] as const
    for (const client of clients) {
      await client.must('room.join', { contract_id })
      await client.next('live')
    }
    const post = async (key: string) => {
      history.sent(contract_id, writing.id, { key, body: key })
      const { seq, chain } = await clients[0].must('message.post', { contract_id, key, body: key })
      history.acked(contract_id, writing.id, { key, seq, chain })
      return seq
    }
    const sees = (seq: number) => clients[1].next('events', ({ last }) => last >= seq)
    await sees(await post('heard before'))
    await world.redis?.ask('ACL', 'SETUSER', 'default', '-spublish')
    await post('unheard')
    await world.redis?.ask('ACL', 'SETUSER', 'default', '+spublish')
    await sees(await post('heard after'))
    history.log(contract_id, await readLog(world.hub(), contract_id))
    history.watch('reader', contract_id, 1)(clients[1].events(contract_id))
    for (const client of clients) client.close()
    return [...new Set(history.faults().map(({ kind }) => kind))]
  } finally {
    for (const network of networks) await network.close()
    await world.close()
  }
}
