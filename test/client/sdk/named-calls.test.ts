import { expect } from 'chai'
import type { ToolCall } from '../../../client/sdk/index.ts'
import { untilLive, useWorld } from './sdk-world.ts'

describe('the calls that the sdk says it runs', () => {
  const w = useWorld()
  let contract_id: string
  beforeEach(() => {
    contract_id = w.hub.openContract()
  })

  it('[SDK-42] back on a connection it names at once the calls that run, and then at each beat; one that is over is aborted and named no more', async () => {
    const { sdk } = await w.join()
    const started = Promise.withResolvers<ToolCall>()
    sdk.tool({
      ...{ name: 'slow', description: '', input: {} },
      run: (_, call) => {
        started.resolve(call)
        // It goes on for ever, whatever it is told.
        return new Promise(() => {})
      },
    })
    await sdk.ready()
    const call_id = w.hub.askTool(contract_id, { tool: 'slow' })
    const { signal } = await started.promise
    const named = async () => (await w.hub.arrival('agent.heartbeat'))['calls']
    const back = named()
    w.hub.cut()
    expect(await back).to.deep.equal([call_id])
    await untilLive(sdk)
    const next = named()
    w.clock.pass(15_000)
    expect(await next).to.deep.equal([call_id])
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    w.hub.push('core.tool.cancel', { call_id, reason: 'call.timed_out' })
    await aborted
    expect(signal.reason).to.include({ name: 'AbortError', message: 'call.timed_out' })
    const last = named()
    w.clock.pass(15_000)
    expect(await last).to.deep.equal([])
  })

  it('[SDK-42] of more calls than a beat may name, the next one names the others', async () => {
    const { sdk } = await w.join()
    let running = 0
    const all = Promise.withResolvers<void>()
    const run = () => {
      if (++running === 250) all.resolve()
      return new Promise(() => {})
    }
    sdk.tool({ name: 'slow', description: '', input: {}, run })
    await sdk.ready()
    const ids = Array.from({ length: 250 }, () => w.hub.askTool(contract_id, { tool: 'slow' }))
    await all.promise
    const beats: unknown[][] = []
    for (let beat = 0; beat < 2; beat += 1) {
      const arrival = w.hub.arrival('agent.heartbeat')
      w.clock.pass(15_000)
      beats.push((await arrival)['calls'] as unknown[])
    }
    expect(beats.map(({ length }) => length)).to.deep.equal([200, 200])
    expect([...new Set(beats.flat())].sort()).to.deep.equal(ids.sort())
  })
})
