import { expect } from 'chai'
import fc from 'fast-check'
import { connect, type HubState, RefusedError } from '../../../client/sdk/index.ts'
import { backoff } from '../../../client/sdk/link/backoff.ts'
import { uuid7 } from '../../../client/sdk/uuid7.ts'
import { closeCodes } from '../../../shared/protocol/close-codes.ts'
import { handClock } from './hand-clock.ts'
import { untilLive, useWorld } from './sdk-world.ts'

describe('the connection of the sdk', () => {
  const w = useWorld()

  const fault = (promise: Promise<unknown>) =>
    promise.then(
      () => expect.fail('it was fulfilled'),
      (error: unknown) => error,
    )

  it('[SDK-15] wrong credentials reject with the code and the fix', async () => {
    w.hub.handshakes.push('UNAUTHENTICATED')
    const error = await fault(w.join())
    expect(error).to.be.instanceOf(RefusedError)
    expect(error).to.include({
      code: 'UNAUTHENTICATED',
      fix: 'Check the address and password, sign in again, or use an active key.',
      retry: 'never',
    })
  })

  it('[SDK-15] a hub of another protocol rejects, naming the ones it speaks', async () => {
    w.hub.next('agent.hello', { refuse: 'PROTOCOL_UNSUPPORTED', facts: { protocols: [2] } })
    const error = await fault(w.join())
    expect(error).to.include({ code: 'PROTOCOL_UNSUPPORTED' })
    expect(error).to.have.deep.property('facts', { protocols: [2] })
  })

  it('[SDK-15] no hub within the time given rejects with UNREACHABLE', async () => {
    const clock = handClock({ random: 0.5 })
    const { url } = w.hub
    await w.hub.close()
    const error = fault(connect({ url, key: 'pk_agent_test', clock, connect_timeout_ms: 7_000 }))
    // The first try fails at once; its backoff is the second wait.
    while (clock.waits.length < 2) await new Promise(setImmediate)
    clock.pass(7_000)
    const refused = await error
    expect(refused).to.include({ code: 'UNREACHABLE', retry: 'later' })
    const said = `UNREACHABLE: No hub answers at ${url} (connect ECONNREFUSED 127.0.0.1:${new URL(url).port}).`
    expect(refused).to.have.property('message', `${said} Check the address, and that the hub is running.`)
  })

  it('[SDK-15] a hub that only says later rejects with UNREACHABLE, and what it said', async () => {
    const clock = handClock({ random: 0.5 })
    w.hub.handshakes.push('OVERLOADED')
    const error = fault(connect({ url: w.hub.url, key: 'pk_agent_test', clock, connect_timeout_ms: 200 }))
    while (clock.waits.length < 2) await new Promise(setImmediate)
    clock.pass(200)
    expect(await error).to.have.property(
      'message',
      'UNREACHABLE: The hub let nobody in within 200 ms (The hub has too much to do). Check the address, and that the hub is running.',
    )
  })

  it('[SDK-15] a handshake refused for now is tried again', async () => {
    w.hub.handshakes.push('OVERLOADED', 'UNAVAILABLE')
    const { sdk } = await w.join()
    expect(sdk.state).to.equal('live')
    expect(w.hub.auths).to.deep.equal(Array(3).fill({ key: 'pk_agent_test' }))
  })

  it('[SDK-16] it comes back by itself, resumes its session and tells each state', async () => {
    const { sdk } = await w.join()
    const states: HubState[] = []
    sdk.on('state', (state) => states.push(state))
    const { session_id } = sdk.welcome ?? {}
    const arrival = w.hub.arrival('agent.hello')
    w.hub.cut()
    expect((await arrival).resume).to.equal(session_id)
    await untilLive(sdk)
    await sdk.close()
    expect(states).to.deep.equal(['reconnecting', 'live', 'closed'])
  })

  it('[SDK-30] when another connection took its session, it says so and goes on with one of its own', async () => {
    const { sdk, problems } = await w.join({ resume: 'b0000000-0000-4000-8000-000000000001' })
    sdk.tool({ name: 'idle', description: 'Does nothing.', input: { type: 'object' }, run: () => null })
    await sdk.ready()
    const [hello, registered] = [w.hub.arrival('agent.hello'), w.hub.arrival('agent.tools.register')]
    w.hub.next('agent.heartbeat', { refuse: 'HELLO_REQUIRED' })
    w.clock.pass(15_000)
    expect(await hello).not.to.have.property('resume')
    await registered
    await untilLive(sdk)
    expect(problems.map(({ during, error }) => [during, (error as RefusedError).code])).to.deep.equal([['session', 'HELLO_REQUIRED']])
    // The new one is its own again, so the next cut resumes it.
    const { session_id } = sdk.welcome ?? {}
    const next = w.hub.arrival('agent.hello')
    w.hub.cut()
    expect((await next).resume).to.equal(session_id)
  })

  it('[SDK-46] what a tool streams while the hello of a new connection is not answered waits for it, and the session stays', async () => {
    const contract_id = w.hub.openContract()
    const { sdk, problems } = await w.join()
    const [began, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    async function* run() {
      yield 'one '
      began.resolve()
      await goOn.promise
      yield 'two'
    }
    sdk.tool({ name: 'slow', description: '', input: {}, run })
    await sdk.ready()
    const { session_id } = sdk.welcome ?? {}
    const streamed = w.hub.arrival('agent.tool.stream')
    const call_id = w.hub.askTool(contract_id, { tool: 'slow' })
    await Promise.all([began.promise, streamed])
    // By the time of an answer over another line, what was on its way on this one is there: here its acknowledgement.
    await fetch(`${w.hub.url}/me`)
    w.hub.next('agent.hello', { lose: 'ack' })
    const [unanswered, result] = [w.hub.arrival('agent.hello'), w.hub.arrival('agent.tool.result')]
    w.hub.cut()
    await unanswered
    goOn.resolve()
    await fetch(`${w.hub.url}/me`)
    w.hub.cut()
    await result
    const types = w.hub.frames.map(({ type }) => type)
    const second = types.indexOf('agent.hello', 1)
    expect(types.slice(second, second + 3)).to.deep.equal(['agent.hello', 'agent.hello', 'agent.tools.register'])
    expect(w.hub.payloads('agent.hello').at(-1)).to.include({ resume: session_id })
    expect(w.hub.streamed(call_id)).to.equal('one two')
    expect(problems).to.deep.equal([])
  })

  it('[SDK-16] closing with a pause: it comes back after that pause, not before', async () => {
    const { sdk } = await w.join()
    const closing: unknown[] = []
    sdk.on('closing', (value) => closing.push(value))
    const push = { code: closeCodes.GOING_AWAY, retry_after_ms: 4_000, reason: 'restart' }
    const reconnecting = new Promise((resolve) => sdk.on('state', resolve))
    w.hub.push('closing', push)
    w.hub.cut()
    expect(await reconnecting).to.equal('reconnecting')
    w.clock.pass(3_999)
    expect(w.clock.waits[0]).to.equal(1)
    w.clock.pass(1)
    await untilLive(sdk)
    expect(closing).to.deep.equal([push])
  })

  for (const [code, expected] of [
    [closeCodes.PROTOCOL_VIOLATION, 'CLOSED_FOR_GOOD'],
    [closeCodes.CREDENTIALS_REVOKED, 'CREDENTIALS_ENDED'],
  ] as const) {
    it(`[SDK-16] closing ${code}: it stays closed, and whoever waits is told why`, async () => {
      const contract_id = w.hub.openContract()
      const { sdk, problems } = await w.join()
      const room = await sdk.room(contract_id)
      const reading = fault(room.events().next())
      w.hub.push('closing', { code, reason: 'because' })
      const closed = new Promise((resolve) => sdk.on('state', resolve))
      w.hub.cut()
      expect(await closed).to.equal('closed')
      expect(await reading).to.include({ code: expected })
      expect(await fault(room.post('too late'))).to.include({ code: expected })
      expect(problems.map(({ error }) => (error as RefusedError).code)).to.deep.equal([expected])
    })
  }

  it('[SDK-17] credentials given as a function are asked for again: before they expire, and at each connection', async () => {
    let count = 0
    const { sdk } = await w.join({ token: () => `token-${++count}` })
    expect(sdk.principal).to.include({ id: w.hub.principal.id, name: 'agent' })
    const refresh = w.hub.arrival('auth.refresh')
    w.hub.push('auth.expiring', { at: '2026-11-20T10:01:00.000Z' })
    const { token } = await refresh
    w.hub.push('closing', { code: closeCodes.CREDENTIALS_EXPIRED, reason: 'expired' })
    w.hub.cut()
    await new Promise((resolve) => sdk.on('state', resolve))
    await untilLive(sdk)
    const sent = w.hub.auths.map((auth) => (auth as { token: string }).token)
    expect(new Set([...sent, token]).size).to.equal(3)
  })

  it('[SDK-18] a listener that throws stops neither the others nor the sdk', async () => {
    const contract_id = w.hub.openContract()
    const { sdk, problems } = await w.join()
    const room = await sdk.room(contract_id)
    const heard: string[] = []
    room.subscribe(() => {
      throw new Error('bad listener')
    })
    room.subscribe(() => heard.push('change'))
    await room.post('hello')
    expect(heard).not.to.deep.equal([])
    expect(problems[0]).to.deep.include({ during: 'listener', contract_id })
    expect(problems[0]?.error.message).to.equal('bad listener')
  })

  it('[SDK-18] pushes that are not of this protocol are reported, and the sdk lives on', async () => {
    const contract_id = w.hub.openContract()
    const { sdk, problems } = await w.join()
    const room = await sdk.room(contract_id)
    for (const name of ['events', 'presence', 'chunk', 'live', 'core.tool.call', 'closing']) w.hub.push(name, null as never)
    w.hub.push('events', { contract_id, epoch: 'e1', first: 2, last: 2, events: [null] })
    expect((await room.post('hello')).seq).to.equal(2)
    expect(new Set(problems.map(({ during }) => during))).to.deep.equal(new Set(['connection']))
  })

  it('[SDK-19] a pause is anywhere between none and a bound that doubles up to 10 s, after what the hub asked for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 99 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.nat(60_000),
        (attempt, random, asked) => {
          const wait = backoff({ attempt, random, retry_after_ms: asked }) - asked
          expect(wait).to.be.within(0, Math.min(10_000, 250 * 2 ** (attempt - 1)))
        },
      ),
    )
    expect([1, 2, 3, 50].map((attempt) => backoff({ attempt, random: 0.5 }))).to.deep.equal([125, 250, 500, 5_000])
  })

  it('[SDK-19] ids sort in the order in which they were made, also within a millisecond and when the clock goes back', () => {
    const ids = Array.from({ length: 20_000 }, (_, index) => uuid7(1_800_000_000_000 - Math.floor(index / 100)))
    expect([...ids].sort()).to.deep.equal(ids)
    expect(new Set(ids).size).to.equal(ids.length)
    for (const id of ids.slice(0, 50)) expect(id).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})
