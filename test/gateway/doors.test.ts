import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { createManualClock } from '../harness/clock.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import { api, type Client, connectAs, openContract } from '../harness/people.ts'
import { codeOf, openDatabaseOf, until } from '../scenarios/stage.ts'

async function metric(hub: TestHub, name: string): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text()
  return Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
}

/** A connection that has shown nothing yet but its headers, in the bytes of Engine.IO. */
async function knock(hub: TestHub, headers: Record<string, string> = {}) {
  // The cast holds: the types know the constructor of browsers, Node's takes headers too.
  const options = { headers } as unknown as string[]
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, options)
  const heard: string[] = []
  let isClosed = false
  socket.addEventListener('message', ({ data }) => heard.push(String(data)))
  socket.addEventListener('close', () => {
    isClosed = true
  })
  await until('it is open', () => heard.some((text) => text.startsWith('0')))
  return { socket, heard, isClosed: () => isClosed }
}

/** What the hub does for those whom it does not know, and for too many. */
describe('doors', () => {
  const clock = createManualClock()

  it('[DOOR-1] packets outside of `/rooms` are not even read, whatever they hold', async () => {
    const hub = await startHub({ clock })
    const stranger = await knock(hub)
    stranger.socket.send('40')
    await until('it is in /', () => stranger.heard.some((text) => text.startsWith('40{')))
    // What cannot be parsed would end the connection, if anyone tried.
    stranger.socket.send('42["message",{"broken":')
    stranger.socket.send('42/elsewhere,["message",{"broken":')
    stranger.socket.send('43/elsewhere,7["broken"')
    stranger.socket.send(`42["message","${'x'.repeat(900_000)}"`)
    stranger.socket.send('40/rooms,{"token":"no such token"}')
    await until('it is refused', () => stranger.heard.some((text) => text.startsWith('44/rooms,') && text.includes('UNAUTHENTICATED')))
    expect(stranger.isClosed()).to.equal(false)
    stranger.socket.close()
    await hub.close()
  })

  it('[DOOR-2] who tries to connect with too much, or too often on one connection, is cut off', async () => {
    const hub = await startHub({ clock })
    const large = await knock(hub)
    large.socket.send(`40/rooms,{"token":"${'x'.repeat(200_000)}"}`)
    await until('it is cut off', large.isClosed)
    const often = await knock(hub)
    for (let n = 0; n < 30; n++) often.socket.send(`40/rooms,{"token":"guess ${n}"}`)
    await until('it is cut off', often.isClosed)
    expect(often.heard.filter((text) => text.includes('UNAUTHENTICATED')).length).to.be.at.most(20)
    await hub.close()
  })

  it('[DOOR-3] one connection more than an address, or the hub, may have is refused with the reason, and counted', async () => {
    for (const { limits, code, reason } of [
      { limits: { connections_per_address: 5 }, code: 'RATE_LIMITED', reason: 'address' },
      { limits: { connections: 5 }, code: 'OVERLOADED', reason: 'all' },
    ]) {
      const hub = await startHub({ clock, limits })
      const { requester } = await openContract(hub)
      const clients: Client[] = []
      for (let n = 0; n < 5; n++) clients.push(await connectAs(hub, requester))
      const refused = await connectAs(hub, requester).then(
        () => undefined,
        (error: { data?: { code: string; retry: string } }) => error.data,
      )
      expect(refused).to.include({ code, retry: 'later' })
      expect(await metric(hub, `parley_connections_refused_total{reason="${reason}"}`)).to.equal(1)
      clients.pop()?.close()
      await until('there is room again', async () => (await metric(hub, 'parley_connections')) === 4)
      let again: Client | undefined
      await until('it comes in', async () => {
        again = await connectAs(hub, requester).catch(() => undefined)
        return again !== undefined
      })
      for (const client of [...clients, again]) client?.close()
      await hub.close()
    }
  })

  it('[DOOR-6] who leaves and connects again on one connection is known by what that one came with: its cookie, origin and address', async () => {
    const addresses: unknown[] = []
    const hub = await startHub({
      ...{ clock, trust_proxy: 1 },
      onLog: (_level, event, details) => event === 'socket.admitted' && addresses.push(details?.['ip']),
    })
    const { body } = await api<{ url: string }>(hub, 'POST', '/sign-in-links', { body: {}, bearer: hub.operator_token })
    const redeemed = await fetch(`${hub.url}/sign-in-links/redeem`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ token: body.url.split('#token=')[1] }),
    })
    const cookie = redeemed.headers.get('set-cookie')?.split(';')[0] ?? ''
    const browser = await knock(hub, { cookie, origin: hub.url, 'x-forwarded-for': '192.0.2.7' })
    const foreign = await knock(hub, { cookie, origin: 'http://elsewhere.example' })
    const count = (heard: string[], begin: string) => heard.filter((text) => text.startsWith(begin)).length
    for (const turn of [1, 2, 3]) {
      for (const { socket } of [browser, foreign]) socket.send('40/rooms,')
      await until('it is let in', () => count(browser.heard, '40/rooms,{"sid"') === turn)
      await until('it is refused', () => count(foreign.heard, '44/rooms,{"message":"ORIGIN_DENIED"') === turn)
      browser.socket.send('41/rooms,')
      // Socket.IO ends a connection that asks to be let in where it still is.
      await until('it has left', async () => (await metric(hub, 'parley_connections')) === 0)
    }
    expect(addresses).to.deep.equal(['192.0.2.7', '192.0.2.7', '192.0.2.7'])
    for (const { socket } of [browser, foreign]) socket.close()
    await hub.close()
  })

  it('[DOOR-4] an id in capitals is another id: not found, in frames and in paths alike', async () => {
    const hub = await startHub({ clock })
    const { contract_id, requester } = await openContract(hub)
    const loud = contract_id.toUpperCase()
    const client = await connectAs(hub, requester)
    expect(codeOf(await client.ask('room.join', { contract_id: loud }))).to.equal('NOT_FOUND')
    expect(codeOf(await client.ask('message.post', { contract_id: loud, key: 'k', body: 'x' }))).to.equal('NOT_FOUND')
    for (const path of ['', '/events', '/search?q=x', '/log/verify']) {
      const there = await api(hub, 'GET', `/contracts/${contract_id}${path}`, { bearer: requester.bearer })
      const { status } = await api(hub, 'GET', `/contracts/${loud}${path}`, { bearer: requester.bearer })
      expect({ path, there: there.status, status }).to.deep.equal({ path, there: 200, status: 404 })
    }
    client.close()
    await hub.close()
  })

  it('[DOOR-5] ids of contracts that are not there leave nothing in memory, however they are asked for', async () => {
    const hub = await startHub({ clock, limits: { frames_burst: 10_000, principal_frames_per_s: 10_000 } })
    const { requester } = await openContract(hub)
    const client = await connectAs(hub, requester)
    const before = await metric(hub, 'parley_rooms')
    const asks = Array.from({ length: 100 }, () => {
      const contract_id = randomUUID()
      const key = 'k'
      return [
        client.ask('message.post', { contract_id, key, body: 'x' }),
        client.ask('message.post', { contract_id, key: 'other', body: 'x' }),
        client.ask('room.join', { contract_id }),
        client.ask('tool.call', { contract_id, key, tool: 'shout', input: {} }),
        client.ask('tool.cancel', { contract_id, call_id: randomUUID() }),
        client.ask('contract.end', { contract_id, key: 'end', outcome: 'over' }),
      ]
    }).flat()
    expect([...new Set((await Promise.all(asks)).map((answer) => codeOf(answer as never)))]).to.deep.equal(['NOT_FOUND'])
    for (let n = 0; n < 10; n++) await api(hub, 'GET', `/contracts/${randomUUID()}/events`, { bearer: requester.bearer })
    expect(await metric(hub, 'parley_rooms')).to.equal(before)
    client.close()
    await hub.close()
  })

  it('[DRAIN-2] a write over HTTP that comes while the hub goes away is UNAVAILABLE with a time to come back, and one before is whole', async () => {
    const hub = await startHub({ clock })
    const { requester, provider } = await openContract(hub)
    const open = () =>
      api<{ contract_id?: string; code?: string }>(hub, 'POST', '/contracts', {
        body: { title: 'Late', requester_id: requester.id, provider_id: provider.id },
        bearer: hub.operator_token,
      }).catch(() => undefined)
    const early = Array.from({ length: 10 }, open)
    const closing = hub.close()
    const late = Array.from({ length: 10 }, open)
    const answers = (await Promise.all([...early, ...late])).filter((answer) => answer !== undefined)
    await closing
    for (const { status, body, headers } of answers) {
      expect(status).to.be.oneOf([201, 503])
      if (status === 503) expect([body.code, headers.get('retry-after')]).to.deep.equal(['UNAVAILABLE', '1'])
    }
    const made = answers.flatMap(({ body }) => body.contract_id ?? [])
    const database = await openDatabaseOf(hub)
    const rows = await database.collection<{ _id: string }>('contracts').find({ title: 'Late' }).toArray()
    const events = await database
      .collection('events')
      .countDocuments({ type: 'contract.opened', stream: { $in: made.map((id) => `contract:${id}`) } })
    await database.close()
    // Nobody has an event without its row, and everyone who was told so has both.
    expect(events).to.equal(made.length)
    expect(rows.map(({ _id }) => _id)).to.include.members(made)
  })

  it('[TIME-9] background work that is given up is told in the log, and counted in the metrics until a person has looked', async () => {
    const time = createManualClock()
    const hub = await startHub({ clock: time })
    const database = await openDatabaseOf(hub)
    const dead = { due_at: new Date(time.now()), agent_id: 'a', frame: { type: 'no such frame' }, fence: 1, attempts: 11 }
    await database.collection<{ _id: string }>('timers').insertOne({ _id: 'hopeless', ...dead } as never)
    await until('it is told', () => {
      time.advance(1_000)
      return hub.troubles.some(({ event }) => event === 'dead_letter')
    })
    const told = hub.troubles.find(({ event }) => event === 'dead_letter')
    expect(told).to.include({ level: 'error' })
    expect(told?.details).to.include({ kind: 'timer', id: 'hopeless', attempts: 12 })
    expect(await metric(hub, 'parley_dead_letters{kind="timer"}')).to.equal(1)
    expect(await metric(hub, 'parley_dead_letters{kind="reactor"}')).to.equal(0)
    await database.close()
    await hub.close()
  })
})
