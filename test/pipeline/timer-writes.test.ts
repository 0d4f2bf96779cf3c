import { expect } from 'chai'
import { createTimerWrites } from '../../server/pipeline/background/timer-writes.ts'

/** A collection whose answers come when the test says so. */
function heldCollection() {
  const asked: { what: string; ids: string[]; answer(failure?: object): void }[] = []
  const hold = (what: string, ids: string[]) =>
    new Promise<void>((resolve, reject) => {
      asked.push({ what, ids, answer: (failure) => (failure === undefined ? resolve() : reject(failure)) })
    })
  const collection = {
    bulkWrite: (operations: { updateOne: { filter: { _id: string } } }[]) =>
      hold(
        'set',
        operations.map(({ updateOne }) => updateOne.filter._id),
      ),
    deleteMany: ({ _id }: { _id: { $in: string[] } }) => hold('remove', _id.$in),
  }
  // The cast holds: of a collection only these two are used.
  const writes = createTimerWrites(collection as never)
  const turn = () => new Promise(setImmediate)
  const seen = () => asked.map(({ what, ids }) => `${what} ${ids.join()}`)
  return { writes, asked, seen, turn }
}

describe('writes of timers', () => {
  it('[TIME-10] those that come together are one command of each kind, and two of one timer keep their order', async () => {
    const { writes, asked, seen, turn } = heldCollection()
    const first = [writes.set('a', {}), writes.set('b', {}), writes.remove(['c', 'd']), writes.remove(['a']), writes.set('e', {})]
    await turn()
    await turn()
    expect(seen()).to.deep.equal(['set a,b', 'remove c,d'])
    const later = writes.set('a', {})
    for (const { answer } of asked) answer()
    await Promise.all(first.slice(0, 3))
    await turn()
    expect(seen().slice(2)).to.deep.equal(['set e', 'remove a'])
    for (const { answer } of asked.slice(2)) answer()
    await Promise.all(first)
    await turn()
    expect(seen().slice(4)).to.deep.equal(['set a'])
    asked.at(-1)?.answer()
    await later
  })

  it('[TIME-10] one that another node has just set is set again, one that cannot be is told so, and the others are done', async () => {
    const { writes, asked, seen, turn } = heldCollection()
    const all = Promise.allSettled(['raced', 'bad', 'good'].map((id) => writes.set(id, {})))
    await turn()
    await turn()
    asked[0]?.answer({
      writeErrors: [
        { index: 0, code: 11_000 },
        { index: 1, code: 2 },
      ],
    })
    await turn()
    expect(seen()).to.deep.equal(['set raced,bad,good', 'set raced'])
    asked[1]?.answer()
    expect((await all).map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled'])
  })

  it('[TIME-10] without an answer nobody is told that his timer is there, and the next are written', async () => {
    const { writes, asked, turn } = heldCollection()
    const lost = Promise.allSettled([writes.set('a', {}), writes.set('b', {})])
    await turn()
    await turn()
    asked[0]?.answer(new Error('away'))
    expect((await lost).map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
    const next = writes.set('a', {})
    await turn()
    await turn()
    asked[1]?.answer()
    await next
  })
})
