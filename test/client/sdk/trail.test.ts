import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import type { HubSession } from '../../../client/sdk/hub.ts'
import { connect, type Hub, memoryStorage, type RefusedError } from '../../../client/sdk/index.ts'
import { followTrail, type Trail } from '../../../client/sdk/trail.ts'
import type { Push } from '../../../shared/protocol/index.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, connectAs, registerAgent, signUp } from '../../harness/people.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const named = { type: 'agent.registered' }

describe('the sdk: the audit trail', () => {
  let hub: TestHub
  const opened: Hub[] = []

  before(async () => {
    hub = await startHub()
  })
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close()
  })
  after(() => hub.close())

  async function enter(token = hub.operator_token): Promise<HubSession> {
    // What `connect` gives is the session itself; a test also cuts its connection.
    const sdk = (await connect({ url: hub.url, token, storage: memoryStorage() })) as HubSession
    opened.push(sdk)
    return sdk
  }
  const register = async (...names: string[]) => {
    for (const name of names) await registerAgent(hub, name)
  }
  async function take(trail: Trail, count: number): Promise<unknown[]> {
    const names: unknown[] = []
    while (names.length < count) {
      const { value, done } = await trail.next()
      if (done) throw new Error(`it ended behind ${JSON.stringify(names)}`)
      names.push(value.metadata['name'])
    }
    return names
  }
  const faultOf = async (trail: Trail): Promise<RefusedError> =>
    trail.next().then(
      () => expect.fail('it goes on'),
      (thrown: unknown) => thrown as RefusedError,
    )
  /** The trail is followed from here on. */
  async function begun(trail: Trail, mark: string): Promise<void> {
    const first = take(trail, 1)
    await register(mark)
    expect(await first).to.deep.equal([mark])
  }

  it('[SDK-35] it gives what is added, by its filters, each item once, and goes on where it was after a cut', async () => {
    const sdk = await enter()
    const trail = followTrail(sdk, { ...named, cursor: (await followFrom()).cursor })
    await register('one', 'two')
    expect(await take(trail, 2)).to.deep.equal(['one', 'two'])
    sdk.link.reconnect()
    await register('while it is away')
    await signUp(hub)
    expect(await take(trail, 1)).to.deep.equal(['while it is away'])
    await register('after')
    expect(await take(trail, 1)).to.deep.equal(['after'])
  })

  it('[SDK-36] from its cursor on another process is told what was added meanwhile', async () => {
    const trail = followTrail(await enter(), { ...named, cursor: (await followFrom()).cursor })
    await begun(trail, 'first')
    await register('second')
    await take(trail, 1)
    const { cursor } = trail
    trail.stop()
    expect(await trail.next()).to.deep.equal({ done: true, value: undefined })
    await register('third')
    const next = followTrail(await enter(), { ...named, ...(cursor === undefined ? {} : { cursor }) })
    const names = await take(next, 1)
    while (names.at(-1) !== 'third') names.push(...(await take(next, 1)))
    expect(['second', 'third'].slice(-names.length)).to.deep.equal(names)
  })

  it('[SDK-36] what comes before the hub has said where it begins is behind the cursor when it was taken, not before', async () => {
    const sdk = await enter()
    const { tell } = overhear(sdk)
    const { ask } = sdk.link
    let begins: unknown
    sdk.link.ask = async (frame, payload) => {
      const ack = await ask(frame, payload)
      if (frame === 'audit.follow' && 'cursor' in ack) begins = ack.cursor
      if (frame === 'audit.follow') tell({ items: [], cursor: 'later', live: true })
      return ack
    }
    const trail = followTrail(sdk, named)
    await trail.begun
    expect(trail.cursor).to.be.a('string').that.equals(begins)
    trail.stop()
  })

  it('[SDK-37] it throws the refusal of who may not read, or not any more; a later follow ends the one before', async () => {
    const requester = await signUp(hub)
    expect((await faultOf(followTrail(await enter(requester.bearer)))).code).to.equal('PERMISSION_DENIED')
    const { body } = await api<{ agent_id: string }>(hub, 'POST', '/agents', { body: { name: 'Mine' }, bearer: requester.bearer })
    const sdk = await enter(requester.bearer)
    const own = followTrail(sdk, { agent_id: body.agent_id })
    const other = followTrail(sdk, { agent_id: body.agent_id, type: 'agent' })
    expect(await own.next(), 'replaced').to.deep.equal({ done: true, value: undefined })
    await sdk.close()
    expect(await other.next(), 'closed').to.deep.equal({ done: true, value: undefined })
    const staff = await signUp(hub, ['reviewer'])
    const trail = followTrail(await enter(staff.bearer), { ...named, cursor: (await followFrom()).cursor })
    await begun(trail, 'still staff')
    await api(hub, 'PATCH', `/users/${staff.id}`, { body: { roles: ['requester'] }, bearer: hub.operator_token })
    expect((await faultOf(trail)).code).to.equal('PERMISSION_DENIED')
  })

  it('[SDK-38] what is over its bound is not kept for a slow reader, who gets all of it once', async () => {
    const sdk = await enter()
    const asked: string[] = []
    const ask = sdk.link.ask
    sdk.link.ask = (frame, payload) => {
      asked.push(frame)
      return ask(frame, payload)
    }
    const trail = followTrail(sdk, { ...named, most_waiting: 2, cursor: (await followFrom()).cursor })
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    await register(...names)
    while (!asked.includes('audit.unfollow')) await new Promise(setImmediate)
    await register('g')
    expect(await take(trail, 7)).to.deep.equal([...names, 'g'])
    expect(asked.filter((frame) => frame === 'audit.follow').length).to.be.at.least(2)
  })

  it('[SDK-38] what is told twice does not count as waiting', async () => {
    const sdk = await enter()
    const { tell, heard } = overhear(sdk)
    const asked: string[] = []
    const { ask } = sdk.link
    sdk.link.ask = (frame, payload) => {
      asked.push(frame)
      return ask(frame, payload)
    }
    const trail = followTrail(sdk, { ...named, most_waiting: 2, cursor: (await followFrom()).cursor })
    await trail.begun
    await register('once')
    expect(await take(trail, 1)).to.deep.equal(['once'])
    const said = heard.find(({ items }) => items.length > 0)
    if (said === undefined) throw new Error('nothing was told')
    for (let times = 0; times < 5; times += 1) tell(said)
    await register('next')
    expect(await take(trail, 1)).to.deep.equal(['next'])
    expect(asked).to.not.include('audit.unfollow')
  })

  it('[SDK-39] the example has at most twenty lines, stands in the README, and goes on from its cursor when it was killed', async () => {
    const code = readFileSync(join(root, 'examples/watch-trail.ts'), 'utf8')
    expect(code.trimEnd().split('\n').length).to.be.at.most(20)
    expect(readFileSync(join(root, 'client/sdk/README.md'), 'utf8')).to.include(code)
    const folder = mkdtempSync(join(tmpdir(), 'parley-trail-'))
    const env = { PATH: process.env['PATH'], PARLEY_URL: hub.url, PARLEY_TOKEN: hub.operator_token, PARLEY_CURSOR: join(folder, 'cursor') }
    const watch = () => spawn(process.execPath, ['examples/watch-trail.ts'], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
    const first = watch()
    // It begins when it is there: what shows that is itself a line of it. Before the second line it has kept a cursor.
    const mark = setInterval(() => void registerAgent(hub, 'Mark'), 200)
    await linesWith(first, ' agent.registered ', 2)
    clearInterval(mark)
    first.kill('SIGKILL')
    await once(first, 'exit')
    const { id } = await registerAgent(hub, 'Meanwhile')
    const second = watch()
    await linesWith(second, ` agent:${id}`, 1)
    second.kill('SIGKILL')
    await once(second, 'exit')
    rmSync(folder, { recursive: true })
  })

  /** A place that is now, so that nothing from before is told and nothing behind it is missed. */
  async function followFrom(): Promise<{ cursor: string }> {
    const client = await connectAs(hub, { auth: { token: hub.operator_token } })
    const { cursor } = await client.must('audit.follow', named)
    client.close()
    return { cursor }
  }
})

/** What the hub tells of the trail, and a way to tell more. */
function overhear({ link }: HubSession) {
  const heard: Push<'audit.events'>[] = []
  let tell = (_push: Push<'audit.events'>): void => expect.fail('nobody listens')
  const on = link.on.bind(link)
  link.on = (name, handler) => {
    // The casts hold: it is the handler of this one push.
    if (name === 'audit.events') tell = (push) => handler(push as never, () => undefined)
    on(name, (push, ack) => {
      if (name === 'audit.events') heard.push(push as never)
      handler(push, ack)
    })
  }
  return { heard, tell: (push: Push<'audit.events'>) => tell(push) }
}

async function linesWith({ stdout }: ChildProcess, text: string, count: number): Promise<void> {
  if (stdout === null) throw new Error('it has no output')
  let seen = 0
  for await (const line of createInterface({ input: stdout })) if (line.includes(text) && ++seen === count) return
  throw new Error(`it ended with ${seen} lines that have ${text}`)
}
