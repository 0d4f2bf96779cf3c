import { expect } from 'chai'
import { z } from 'zod'
import { ACK_TIMEOUT_MS, useWorld } from './sdk-world.ts'

describe('what a tool of the sdk streams', () => {
  const w = useWorld()
  let contract_id: string
  beforeEach(() => {
    contract_id = w.hub.openContract()
  })

  const spell = { name: 'spell', description: 'Letter by letter.', input: z.object({}) }
  const called = async () => {
    const outcome = w.hub.arrival('agent.tool.result')
    const call_id = w.hub.askTool(contract_id, { tool: spell.name, input: {} })
    const answer = await outcome
    return { call_id, answer, chunks: w.hub.payloads('agent.tool.stream').map(({ chunk }) => chunk as string) }
  }

  it('[SDK-22] what a tool yields is streamed in order, and the result comes behind all of it', async () => {
    const { sdk } = await w.join({ ack_timeout_ms: ACK_TIMEOUT_MS })
    const words = Array.from({ length: 200 }, (_, index) => `word ${index} `)
    sdk.tool({
      ...spell,
      async *run() {
        yield* words
        return words.length
      },
    })
    await sdk.ready()
    w.hub.next('agent.tool.stream', { lose: 'ack' }, { lose: 'frame' }, { refuse: 'RATE_LIMITED' }, { cut: 'after' }, { cut: 'before' })
    const { call_id, answer } = await called()
    expect(answer).to.include({ status: 'succeeded', output: 200 })
    expect(w.hub.streamed(call_id)).to.equal(words.join(''))
    const order = w.hub.frames.map(({ type }) => type)
    expect(order.lastIndexOf('agent.tool.stream')).to.be.lessThan(order.indexOf('agent.tool.result'))
  })

  for (const { pieces, most, how } of [
    { pieces: 10, most: 10, how: 'a few pieces go as they were yielded' },
    { pieces: 5_000, most: 100, how: 'pieces that come faster than the hub takes them are joined' },
  ]) {
    it(`[SDK-22] ${how}`, async () => {
      const { sdk } = await w.join()
      const words = Array.from({ length: pieces }, (_, index) => `word ${index} `)
      sdk.tool({
        ...spell,
        async *run() {
          yield* words
        },
      })
      await sdk.ready()
      const { call_id, chunks } = await called()
      expect(chunks.length).to.be.within(Math.min(pieces, 16), most)
      expect(chunks.join('')).to.equal(words.join(''))
      expect(w.hub.streamed(call_id)).to.equal(words.join(''))
    })
  }

  it('[SDK-22] a long text is cut between characters, below the size of a frame', async () => {
    const { sdk } = await w.join()
    const text = `a${'🦊'.repeat(40_000)}`
    sdk.tool({
      ...spell,
      async *run() {
        yield text
      },
    })
    await sdk.ready()
    const { call_id, chunks } = await called()
    expect(chunks.every((chunk) => chunk.isWellFormed() && JSON.stringify(chunk).length < 200_000)).to.equal(true)
    expect(w.hub.streamed(call_id)).to.equal(text)
  })
})
