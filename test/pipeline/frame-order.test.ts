import { expect } from 'chai'
import { createFrameOrder } from '../../server/pipeline/frame-order.ts'

describe('the order of one connection’s frames', () => {
  it('[ROOM-7] a frame that is refused while it is prepared lets none behind it pass one before it', async () => {
    const inOrder = createFrameOrder()
    const handed: string[] = []
    const send = (name: string, prepare?: () => Promise<undefined>) =>
      inOrder('connection', { contract: 'room', prepare, submit: async () => void handed.push(name) })
    const slow = Promise.withResolvers<undefined>()
    const first = send('first', () => slow.promise)
    const second = send('second', () => Promise.reject(new Error('refused')))
    const third = send('third')
    // All that can be done without the first is done.
    await new Promise(setImmediate)
    expect(handed).to.deep.equal([])
    slow.resolve(undefined)
    expect((await Promise.allSettled([first, second, third])).map(({ status }) => status)).to.deep.equal([
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(handed).to.deep.equal(['first', 'third'])
  })
})
