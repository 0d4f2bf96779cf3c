import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createHttp } from '../../../client/sdk/http.ts'
import type { HubSession } from '../../../client/sdk/hub.ts'
import { connect, type Hub, memoryStorage, RefusedError, type Room, type RoomEvent } from '../../../client/sdk/index.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { openContract, type Person, signUp } from '../../harness/people.ts'
import { freePort, startHubProcess } from '../../harness/processes/hub-process.ts'
import { bodies, take } from './sdk-world.ts'

const EXAMPLE = fileURLToPath(new URL('../../../examples/echo-agent.ts', import.meta.url))

describe('the sdk with a real hub', () => {
  const opened: Hub[] = []
  afterEach(async () => {
    for (const sdk of opened.splice(0)) await sdk.close()
  })

  async function open(url: string, person: Person): Promise<Hub> {
    const sdk = await connect({ url, ...person.auth })
    sdk.on('problem', ({ error }) => expect.fail(error.message))
    opened.push(sdk)
    return sdk
  }

  describe('of this process', () => {
    let hub: TestHub
    before(async () => {
      hub = await startHub({ limits: { frames_per_s: 100_000, frames_burst: 100_000 } })
    })
    after(() => hub.close())

    it('[SDK-41] what one user wrote is never sent as the next one whose credentials the program has by then', async () => {
      const [alice, bob] = [await signUp(hub), await signUp(hub, ['admin'])]
      const { contract_id } = await openContract(hub, { requester: alice })
      const storage = memoryStorage()
      let now = alice
      const page = (await connect({ url: hub.url, token: () => now.bearer, storage })) as HubSession
      opened.push(page)
      const room = await page.room(contract_id)
      await room.post('I am Alice.')
      now = bob
      page.link.reconnect()
      const refused = await room.post('I, Alice, accept the price.').catch((error: unknown) => error)
      expect(refused).to.be.instanceOf(RefusedError).with.property('code', 'UNAUTHENTICATED')
      expect({ state: page.state, id: page.principal.id }).to.deep.equal({ state: 'closed', id: alice.id })
      const { events } = await createHttp({ url: hub.url, token: alice.bearer }).eventsAfter(contract_id, { after: 0 })
      expect(bodies(events)).to.deep.equal(['I am Alice.'])
      // It stays hers: when she is back, it goes out.
      const hers = await connect({ url: hub.url, token: alice.bearer, storage })
      opened.push(hers)
      const later = await hers.room(contract_id, { since: 0 })
      for await (const event of later.events()) if (bodies([event])[0] === 'I, Alice, accept the price.') break
    })

    const agents: (() => ChildProcess)[] = []
    const stopAtEnd = (agent: () => ChildProcess) => agents.push(agent)
    // Also when the test fails: a process that goes on would keep mocha from ending.
    afterEach(() => {
      for (const agent of agents.splice(0)) agent().kill('SIGKILL')
    })

    it('[SDK-28] the agent of 20 lines streams a tool and answers each message once, also those of its absence', async () => {
      const { contract_id, requester, provider } = await openContract(hub)
      const room = await (await open(hub.url, requester)).room(contract_id, { since: 0 })
      const events = room.events()
      let agent = runExample(hub.url, provider)
      stopAtEnd(() => agent)
      await room.post('hello')
      await until(events, 'You said: hello')
      // It may answer a message before its tools are registered: the room is looked at until they are.
      while (!room.view.tools.some(({ name }) => name === 'spell')) await refreshed(room)
      const call = room.call<{ letters: number }>('spell', { word: 'fox' })
      const chunks = await take(call, 3)
      expect({ chunks, output: await call.result() }).to.deep.equal({ chunks: ['f ', 'o ', 'x '], output: { letters: 3 } })
      const { call_id } = await call.requested
      const http = createHttp({ url: hub.url, token: requester.bearer })
      expect(await http.streamedText(contract_id, call_id)).to.equal('f o x ')

      agent.kill('SIGKILL')
      await once(agent, 'exit')
      await room.post('are you there?')
      agent = runExample(hub.url, provider)
      await until(events, 'You said: are you there?')
      const { events: all } = await room.read({ after: 0 })
      expect(bodies(all)).to.deep.equal(['hello', 'You said: hello', 'are you there?', 'You said: are you there?'])
    })

    it('[SDK-28] the README shows the agent of 20 lines as it is', async () => {
      const example = await readFile(EXAMPLE, 'utf8')
      expect(example.trimEnd().split('\n')).to.have.length.at.most(20)
      const readme = await readFile(new URL('../../../client/sdk/README.md', import.meta.url), 'utf8')
      expect(readme).to.include(`\`\`\`ts\n${example}\`\`\``)
    })

    it('[SDK-28] a human sees who is there, what tools there are, and is refused what is not theirs', async () => {
      const { contract_id, requester, provider } = await openContract(hub)
      const agent = await open(hub.url, provider)
      agent.tool({ name: 'idle', description: 'Does nothing.', input: { type: 'object' }, run: () => null })
      await agent.ready()
      await agent.room(contract_id)
      const room = await (await open(hub.url, requester)).room(contract_id)
      expect(room.view.tools.map(({ name }) => name)).to.deep.equal(['idle'])
      await new Promise<void>((resolve) => {
        const look = () => room.view.members.length === 2 && resolve()
        room.subscribe(look)
        look()
      })
      const stranger = await open(hub.url, await signUp(hub))
      const refused = await stranger.room(contract_id).catch((error: unknown) => error)
      expect(refused).to.include({ code: 'NOT_FOUND' })
    })

    it('[SDK-30] an agent whose session was taken over gets calls again when the taker is gone', async () => {
      const { contract_id, requester, provider } = await openContract(hub)
      const tool = { name: 'who', description: 'Says which one.', input: { type: 'object' } as const }
      const first = await connect({ url: hub.url, ...provider.auth })
      opened.push(first)
      const taken = new Promise<string>((resolve) => first.on('problem', ({ during }) => resolve(during)))
      first.tool({ ...tool, run: () => 'first' })
      await first.ready()
      const second = await connect({ url: hub.url, ...provider.auth, resume: first.welcome?.session_id ?? '' })
      second.tool({ ...tool, run: () => 'second' })
      await second.ready()
      const room = await (await open(hub.url, requester)).room(contract_id)
      expect(await room.call('who', {}).result()).to.equal('second')
      // Named anew, the set is registered anew; at the latest its next heartbeat would find out.
      first.tool({ ...tool, name: 'whom', run: () => 'first' })
      expect(await taken).to.equal('session')
      await second.close()
      while ((await first.ready().catch(() => [])).length < 2) await new Promise(setImmediate)
      expect(await room.call('who', {}).result()).to.equal('first')
    })

    it('[SDK-28] a slow reader of a real log reads all of it', async () => {
      const { contract_id, requester } = await openContract(hub)
      const room = await (await open(hub.url, requester)).room(contract_id)
      const reader = room.events()
      const first = reader.next()
      const texts = Array.from({ length: 700 }, (_, index) => `message ${index}`)
      await Promise.all(texts.map((body) => room.post(body)))
      const events = [(await first).value as RoomEvent, ...(await take(reader, texts.length - 1))]
      expect(bodies(events)).to.deep.equal(texts)
    })
  })

  it('[SDK-28] killed again and again under load, the hub has every post once and in order, and so has every reader', async () => {
    const data_dir = await mkdtemp(join(tmpdir(), 'parley-sdk-'))
    const port = await freePort()
    let hub = await startHubProcess({ data_dir, port })
    const { contract_id, requester, provider } = await openContract(hub)
    const people = [requester, provider, await signUp(hub, ['admin'])]
    const rooms = await Promise.all(people.map(async (person) => (await open(hub.url, person)).room(contract_id, { since: 0 })))
    const reading = rooms.map((room) => readUntil(room, people.length))

    const texts = (index: number) => Array.from({ length: 60 }, (_, count) => `${index}: ${count}`)
    const posting = rooms.map(async (room, index) => {
      for (const body of texts(index)) await room.post(body)
      await room.post('end')
    })
    const watched = rooms[0] as Room
    for (const place of [20, 60, 120]) {
      await new Promise<void>((resolve) => {
        const stop = watched.subscribe(() => {
          if (watched.place.seq < place) return
          stop()
          resolve()
        })
      })
      await hub.kill()
      hub = await startHubProcess({ data_dir, port })
    }
    await Promise.all(posting)
    const read = await Promise.all(reading)
    for (const events of read) {
      expect(events.map(({ seq }) => seq)).to.deep.equal(Array.from({ length: events.length }, (_, index) => index + 1))
      for (const index of rooms.keys()) expect(bodies(events).filter((body) => body.startsWith(`${index}: `))).to.deep.equal(texts(index))
    }
    expect(rooms.map(({ pending }) => pending)).to.deep.equal([[], [], []])
    for (const sdk of opened.splice(0)) await sdk.close()
    await hub.stop()
    await rm(data_dir, { recursive: true, force: true })
  })
})

/** Resolves when a join that this began has changed the room. */
function refreshed(room: Room): Promise<void> {
  return new Promise((resolve) => {
    const stop = room.subscribe(() => {
      stop()
      resolve()
    })
    room.refresh()
  })
}

function runExample(url: string, person: Person): ChildProcess {
  const env = { PATH: process.env['PATH'], PARLEY_URL: url, PARLEY_KEY: person.bearer }
  return spawn(process.execPath, [EXAMPLE], { env, stdio: ['ignore', 'inherit', 'inherit'] })
}

async function until(events: AsyncIterator<RoomEvent>, body: string): Promise<void> {
  for (let next = await events.next(); !next.done; next = await events.next()) if (bodies([next.value]).includes(body)) return
}

/** Everything up to the last `end` of so many. */
async function readUntil(room: Room, ends: number): Promise<RoomEvent[]> {
  const events: RoomEvent[] = []
  let left = ends
  for await (const event of room.events()) {
    events.push(event)
    if (bodies([event])[0] === 'end') left -= 1
    if (left === 0) break
  }
  return events
}
