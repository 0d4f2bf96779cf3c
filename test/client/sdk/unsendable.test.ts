import { expect } from 'chai'
import type { RefusedError } from '../../../client/sdk/index.ts'
import { bodies, take, type World, world } from './sdk-world.ts'

describe('what the sdk cannot send', () => {
  let w: World
  let contract_id: string
  const states: string[] = []
  beforeEach(async () => {
    w = await world()
    contract_id = w.hub.openContract()
    states.splice(0)
  })
  afterEach(() => w.end())

  async function join() {
    const joined = await w.join()
    joined.sdk.on('state', (state) => states.push(state))
    return joined
  }
  const codeOf = (work: Promise<unknown>) => work.then(String, ({ code, retry }: RefusedError) => `${code} ${retry}`)
  const circle: Record<string, unknown> = {}
  circle['itself'] = circle
  const huge = 'x'.repeat(2_000_000)

  it('[SDK-45] a post that no hub takes is refused at once, and the next one goes', async () => {
    const { sdk } = await join()
    const room = await sdk.room(contract_id)
    const reading = take(room.events(), 1)
    const refused = codeOf(room.post(huge))
    const next = room.post('short')
    expect(await refused).to.equal('FRAME_TOO_LARGE never')
    await next
    expect(bodies(await reading)).to.deep.equal(['short'])
    expect(room.pending).to.deep.equal([])
    expect(w.hub.payloads('message.post')).to.have.lengthOf(1)
    expect(states).to.deep.equal([])
  })

  it('[SDK-45] so is an input that is no JSON, by the call and by its result', async () => {
    const { sdk } = await join()
    const room = await sdk.room(contract_id)
    for (const [input, code] of [
      [circle, 'FRAME_INVALID never'],
      [{ n: 1n }, 'FRAME_INVALID never'],
      [huge, 'FRAME_TOO_LARGE never'],
    ] as const) {
      const call = room.call('search', input)
      expect([await codeOf(call.requested), await codeOf(call.result())]).to.deep.equal([code, code])
    }
    expect(w.hub.payloads('tool.call')).to.deep.equal([])
    expect(states).to.deep.equal([])
  })

  it('[SDK-45] an output that cannot be sent fails its call with the code, and the next call is answered', async () => {
    const { sdk } = await join()
    const outputs = [1n, circle, huge, 'fine']
    sdk.tool({ name: 'search', description: '', input: {}, run: () => outputs.shift() })
    await sdk.ready()
    const ends: unknown[] = []
    for (let left = outputs.length; left > 0; left -= 1) {
      const result = w.hub.arrival('agent.tool.result')
      w.hub.askTool(contract_id, { tool: 'search' })
      const { output, error } = (await result) as { output?: unknown; error?: { code: string } }
      ends.push(output ?? error?.code)
    }
    expect(ends).to.deep.equal(['FRAME_INVALID', 'FRAME_INVALID', 'FRAME_TOO_LARGE', 'fine'])
    expect(states).to.deep.equal([])
  })

  it('[SDK-45] a set of tools that no hub takes is told by ready', async () => {
    const { sdk, problems } = await join()
    sdk.tool({ name: 'search', description: huge, input: {}, run: () => null })
    expect(await codeOf(sdk.ready())).to.equal('FRAME_TOO_LARGE never')
    expect(problems.map(({ during }) => during)).to.deep.equal(['register'])
    expect(states).to.deep.equal([])
  })

  it('[SDK-45] an input that its owner changes after the call goes again as it was', async () => {
    const { sdk } = await join()
    const room = await sdk.room(contract_id)
    const input = { words: ['one'] }
    w.hub.next('tool.call', { cut: 'before' })
    const call = room.call('search', input)
    input.words.push('two')
    await call.requested
    expect(w.hub.payloads('tool.call').map((payload) => payload['input'])).to.deep.equal([{ words: ['one'] }, { words: ['one'] }])
  })
})
