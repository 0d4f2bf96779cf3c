import { expect } from 'chai'
import { createBatchedReads } from '../../server/pipeline/store/batched-reads.ts'
import { startHub } from '../harness/hub.ts'
import { api, type Client, connectAs, registerAgent, signUp } from '../harness/people.ts'

/** A store whose answers come when the test says so. */
function heldStore() {
  const reads: { keys: string[]; answer(outcome?: Error): void }[] = []
  const rows = new Map<string, string>()
  const ask = createBatchedReads<string>(
    (keys) =>
      new Promise((resolve, reject) => {
        const answer = (failure?: Error) => (failure === undefined ? resolve(new Map(rows)) : reject(failure))
        reads.push({ keys, answer })
      }),
  )
  const turn = () => new Promise(setImmediate)
  return { reads, rows, ask, turn }
}

describe('reads that many share', () => {
  it('[READ-1] those who ask together share one read, and those who ask while it is under way the next', async () => {
    const { reads, rows, ask, turn } = heldStore()
    const first = Promise.all(['a', 'b', 'a', 'nobody'].map(ask))
    await turn()
    const second = Promise.all(['c', 'a'].map(ask))
    await turn()
    expect(reads.map(({ keys }) => keys)).to.deep.equal([['a', 'b', 'nobody']])
    for (const name of ['a', 'b', 'c']) rows.set(name, `${name} of the first`)
    reads[0]?.answer()
    expect(await first).to.deep.equal(['a of the first', 'b of the first', 'a of the first', undefined])
    await turn()
    rows.set('a', 'a as it is later')
    reads[1]?.answer()
    expect(await second).to.deep.equal(['c of the first', 'a as it is later'])
    expect(reads.map(({ keys }) => keys)).to.deep.equal([
      ['a', 'b', 'nobody'],
      ['c', 'a'],
    ])
  })

  it('[READ-1] a read that fails fails for those who shared it, and the next goes on', async () => {
    const { reads, rows, ask, turn } = heldStore()
    const failing = Promise.allSettled(['a', 'b'].map(ask))
    await turn()
    const later = ask('a')
    reads[0]?.answer(new Error('away'))
    expect((await failing).map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
    await turn()
    rows.set('a', 'there')
    reads[1]?.answer()
    expect(await later).to.equal('there')
  })

  it('[READ-2] of many who knock at once each is let in as himself, and whose key has ended is not', async () => {
    const admitted: unknown[] = []
    const hub = await startHub({
      onLog: (_level, event, details) => event === 'socket.admitted' && admitted.push(details?.['principal_id']),
    })
    const agents = await Promise.all(Array.from({ length: 8 }, () => registerAgent(hub)))
    const users = await Promise.all(Array.from({ length: 4 }, () => signUp(hub)))
    const ended = await Promise.all(Array.from({ length: 4 }, () => registerAgent(hub)))
    for (const { id } of ended) {
      const bearer = hub.operator_token
      const { body } = await api<{ items: { key_id: string }[] }>(hub, 'GET', `/agents/${id}/keys`, { bearer })
      const path = `/agents/${id}/keys/${body.items[0]?.key_id}`
      expect((await api(hub, 'DELETE', path, { bearer })).status).to.equal(204)
    }
    admitted.length = 0
    const everyone = [...agents, ...users, ...ended]
    const arrived = await Promise.allSettled(everyone.map((person) => connectAs(hub, person)))
    const inside = arrived.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    expect(arrived.map(({ status }) => status)).to.deep.equal([
      ...[...agents, ...users].map(() => 'fulfilled'),
      ...ended.map(() => 'rejected'),
    ])
    expect(admitted).to.have.members([...agents, ...users].map(({ id }) => id))
    for (const client of inside satisfies Client[]) client.close()
    await hub.close()
  })
})
