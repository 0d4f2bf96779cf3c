import { expect } from 'chai'
import fc from 'fast-check'
import type { Room, RoomEvent } from '../../../client/sdk/index.ts'
import { bodies, take, untilLive, untilRoom, useWorld } from './sdk-world.ts'

describe('rooms of the sdk', () => {
  const w = useWorld()
  let contract_id: string
  beforeEach(() => {
    contract_id = w.hub.openContract()
  })

  const caughtUp = (room: Room) =>
    untilRoom(room, () => (room.state === 'live' && room.view.seq === w.hub.log(contract_id).events.length) || undefined)
  const seqs = (events: readonly RoomEvent[]) => events.map(({ seq }) => seq)

  it('[SDK-8] events come in order and once through a lost connection, with all that happened meanwhile', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const reading = take(room.events(), 6)
    w.hub.say(contract_id, 'one')
    await untilRoom(room, () => room.view.seq === 2 || undefined)
    w.hub.cut()
    for (const body of ['two', 'three', 'four']) w.hub.say(contract_id, body, { isHidden: true })
    await caughtUp(room)
    w.hub.say(contract_id, 'five')
    w.hub.say(contract_id, 'six')
    const events = await reading
    expect(bodies(events)).to.deep.equal(['one', 'two', 'three', 'four', 'five', 'six'])
    expect(seqs(events)).to.deep.equal([2, 3, 4, 5, 6, 7])
    const [, again] = w.hub.payloads('room.join')
    expect(again).to.deep.equal({ contract_id, since: 2, epoch: 'e1', chain: w.hub.log(contract_id).events[1]?.chain })
  })

  it('[SDK-8] a hole is mended by joining again, unseen by the reader', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const reading = take(room.events(), 3)
    w.hub.say(contract_id, 'one', { isHidden: true })
    w.hub.say(contract_id, 'two', { isHidden: true })
    w.hub.say(contract_id, 'three')
    expect(bodies(await reading)).to.deep.equal(['one', 'two', 'three'])
  })

  it('[SDK-8] lagging is answered by pulling from the log', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const reading = take(room.events(), 2)
    w.hub.say(contract_id, 'one', { isHidden: true })
    const head = w.hub.say(contract_id, 'two', { isHidden: true })
    w.hub.push('lagging', { contract_id, head })
    expect(bodies(await reading)).to.deep.equal(['one', 'two'])
  })

  it('[SDK-8] whatever is lost, repeated, overlapping or cut, every event is read once and in order', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const step = fc.oneof(
      fc.record({ say: fc.boolean() }),
      fc.record({ repeat: fc.nat({ max: 5 }) }),
      fc.constant({ cut: true }),
      fc.constant({ lagging: true }),
    )
    const steps = fc.sample(fc.array(step, { minLength: 60, maxLength: 60 }), { numRuns: 4, seed: 20261120 }).flat()
    const read: RoomEvent[] = []
    const stopping = new AbortController()
    const reading = (async () => {
      for await (const event of room.events({ signal: stopping.signal })) read.push(event)
    })()
    for (const one of steps) {
      const head = w.hub.log(contract_id).events.length
      if ('say' in one) w.hub.say(contract_id, `after ${head}`, { isHidden: one.say })
      else if ('repeat' in one) w.hub.tell(contract_id, Math.max(1, head - one.repeat), head)
      else if ('lagging' in one) w.hub.push('lagging', { contract_id, head })
      else w.hub.cut()
      if (head % 3 === 0) await new Promise(setImmediate)
    }
    w.hub.say(contract_id, 'last')
    await untilLive(sdk)
    await caughtUp(room)
    const head = w.hub.log(contract_id).events.length
    while (read.at(-1)?.seq !== head) await new Promise(setImmediate)
    stopping.abort()
    await reading
    expect(seqs(read)).to.deep.equal(Array.from({ length: head - 1 }, (_, index) => index + 2))
    expect(room.view).to.deep.equal(w.hub.view(contract_id, head))
  })

  it('[SDK-8] past a large gap the room is live with the view that was sent, and its readers still get every event between', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const reading = take(room.events(), 503)
    w.hub.longest_replay = 100
    w.hub.say(contract_id, 'before')
    await untilRoom(room, () => room.view.seq === 2 || undefined)
    w.hub.cut()
    for (let index = 0; index < 500; index += 1) w.hub.say(contract_id, `${index}`, { isHidden: true })
    await caughtUp(room)
    expect(w.hub.payloads('room.join'), 'a join that went round in circles').to.have.length(2)
    expect(room.place).to.deep.equal({ seq: 502, epoch: 'e1', chain: w.hub.log(contract_id).events[501]?.chain })
    expect(room.view).to.deep.equal(w.hub.view(contract_id, 502))
    w.hub.say(contract_id, 'after')
    w.hub.say(contract_id, 'and after')
    expect(seqs(await reading)).to.deep.equal(Array.from({ length: 503 }, (_, index) => index + 2))
  })

  it('[SDK-9] a slow reader gets every event, and what it has not read is not kept for it', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const reader = room.events()
    w.hub.say(contract_id, 'first')
    expect(bodies([(await reader.next()).value as RoomEvent])).to.deep.equal(['first'])
    for (let index = 0; index < 3_000; index += 1) w.hub.say(contract_id, `${index}`)
    await caughtUp(room)
    const events = await take(reader, 3_000)
    expect(seqs(events)).to.deep.equal(Array.from({ length: 3_000 }, (_, index) => index + 3))
    // All but the last 576 at most come from the hub again, 200 a page.
    expect(w.hub.pages).to.be.within(12, 16)
  })

  it('[SDK-9] a reader may start anywhere in the past', async () => {
    for (const body of ['one', 'two', 'three']) w.hub.say(contract_id, body)
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    expect(bodies(await take(room.events({ since: 2 }), 2))).to.deep.equal(['two', 'three'])
    expect((await room.read({ after: 0, limit: 2 })).events).to.have.length(2)
  })

  it('[SDK-10] a replaced log is told to the reader, which goes on in the new one', async () => {
    for (const body of ['one', 'two', 'three']) w.hub.say(contract_id, body)
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const resets: unknown[] = []
    room.on('reset', (reset) => resets.push(reset))
    const reading = take(room.events(), 3)
    w.hub.say(contract_id, 'lost with the backup')
    await untilRoom(room, () => room.view.seq === 5 || undefined)
    w.hub.replaceLog(contract_id, 2)
    w.hub.cut()
    await untilRoom(room, () => (room.view.seq === 2 && room.state === 'live') || undefined)
    w.hub.say(contract_id, 'new life')
    const [old, reset, young] = await reading
    expect(bodies([old, young] as RoomEvent[])).to.deep.equal(['lost with the backup', 'new life'])
    expect(reset).to.deep.equal({ type: 'room.reset', seq: 2, epoch: 'e1+' })
    expect(resets).to.deep.equal([reset])
    expect(room.view).to.deep.equal(w.hub.view(contract_id, 3))
  })

  it('[SDK-10] who comes back with a stored place of a replaced log is told, too', async () => {
    w.hub.say(contract_id, 'one')
    const { sdk } = await w.join()
    const first = await sdk.room(contract_id)
    await untilRoom(first, () => first.state === 'live' || undefined)
    const { place } = first
    await first.leave()
    w.hub.replaceLog(contract_id, 1)
    const room = await sdk.room(contract_id, { since: place })
    expect(place).to.include({ seq: 2, epoch: 'e1' })
    expect(await take(room.events(), 1)).to.deep.equal([{ type: 'room.reset', seq: 1, epoch: 'e1+' }])
  })

  it('[SDK-10] a stored place that is still true goes on where it was', async () => {
    const { sdk } = await w.join()
    const { place } = await sdk.room(contract_id)
    w.hub.say(contract_id, 'one', { isHidden: true })
    const other = await w.join()
    const room = await other.sdk.room(contract_id, { since: place })
    expect(bodies(await take(room.events(), 1))).to.deep.equal(['one'])
  })

  it('[SDK-11] a missed presence is mended by a join; until then members change by what comes', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const ann = { id: 'ann', kind: 'user' as const, role: 'requester' as const, connected: true }
    w.hub.push('presence', { contract_id, version: 7, snapshot: [ann] })
    w.hub.push('presence', { contract_id, version: 8, changed: [{ ...ann, typing: true }] })
    await untilRoom(room, () => room.view.members[0]?.typing)
    const joins = w.hub.payloads('room.join').length
    const arrival = w.hub.arrival('room.join')
    w.hub.push('presence', { contract_id, version: 10, left: ['ann'] })
    await arrival
    expect(w.hub.payloads('room.join')).to.have.length(joins + 1)
  })

  it('[SDK-44] who has posted is typing no more, before the hub says so', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    await caughtUp(room)
    const { id } = w.hub.principal
    const member = { id, kind: 'agent', role: 'provider', connected: true, typing: true }
    const isTyping = () => room.view.members.find((one) => one.id === id)?.typing
    w.hub.push('presence', { contract_id, version: 1, snapshot: [member] })
    await untilRoom(room, () => isTyping() || undefined)
    w.hub.say(contract_id, 'This was it.')
    await untilRoom(room, () => (room.view.seq === 2 ? true : undefined))
    expect(isTyping()).to.equal(false)
  })

  it('[SDK-11] when the provider comes, its tools are asked for', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    await caughtUp(room)
    const arrival = w.hub.arrival('room.join')
    const provider = { id: 'somebody', kind: 'agent', role: 'provider', connected: true }
    w.hub.push('presence', { contract_id, version: 7, joined: [provider] })
    expect(await arrival).to.include({ contract_id, since: 1 })
  })

  it('[SDK-11] the text of a running call is whole after missed chunks and a lost connection', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const call_id = 'c0000000-0000-4000-8000-000000000001'
    const data = { call_id, tool: 'search', input: {}, deadline: '2999-01-01T00:00:00.000Z', requires_approval: false, risk: 'low' }
    w.hub.record(contract_id, { type: 'call.requested', data })
    w.hub.chunk(contract_id, call_id, 'a')
    w.hub.chunk(contract_id, call_id, 'b', { isHidden: true })
    w.hub.chunk(contract_id, call_id, 'c')
    await untilRoom(room, () => room.view.calls[0]?.text === 'abc' || undefined)
    w.hub.cut()
    w.hub.chunk(contract_id, call_id, 'd')
    await untilRoom(room, () => room.view.calls[0]?.text === 'abcd' || undefined)
  })

  it('[SDK-29] of a text that the hub left out for its length the view shows nothing rather than its tail', async () => {
    w.hub.longest_text = 3
    const call_id = 'c0000000-0000-4000-8000-000000000002'
    const data = { call_id, tool: 'search', input: {}, deadline: '2999-01-01T00:00:00.000Z', requires_approval: false, risk: 'low' }
    w.hub.record(contract_id, { type: 'call.requested', data })
    w.hub.chunk(contract_id, call_id, 'long ')
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    await caughtUp(room)
    w.hub.chunk(contract_id, call_id, 'tail')
    await untilRoom(room, () => room.view.calls[0]?.next_seq === 3 || undefined)
    expect(room.view.calls[0]).not.to.have.property('text')
  })

  it('[SDK-12] a batch that was lost with none behind it is noticed by the second heartbeat', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    await caughtUp(room)
    w.hub.say(contract_id, 'the last before a silence', { isHidden: true })
    for (let beat = 0; beat < 2; beat += 1) {
      const arrival = w.hub.arrival('agent.heartbeat')
      w.clock.pass(15_000)
      await arrival
    }
    await caughtUp(room)
    expect(room.view.seq).to.equal(2)
  })

  it('[SDK-13] leaving ends the readers; losing the right to read throws in them', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    const reading = take(room.events(), 1)
    await room.leave()
    expect(await reading).to.deep.equal([])
    expect(room.state).to.equal('closed')

    const again = await sdk.room(contract_id)
    const refused = take(again.events(), 1).catch((error: unknown) => error)
    w.hub.next('room.join', { refuse: 'NOT_FOUND' })
    w.hub.cut()
    expect(await refused).to.include({ code: 'NOT_FOUND' })
    expect(again).not.to.equal(room)
  })

  it('[SDK-13] a stranger is refused; the same room is one object', async () => {
    const { sdk } = await w.join()
    w.hub.next('room.join', { refuse: 'NOT_FOUND' })
    const refusal = await sdk.room(contract_id).catch((error: unknown) => error)
    expect(refusal).to.include({ code: 'NOT_FOUND' })
    const [one, same] = await Promise.all([sdk.room(contract_id), sdk.room(contract_id)])
    expect(one).to.equal(same)
  })

  it('[SDK-14] a cursor is told once the room is in step, and again until the hub has it', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    await caughtUp(room)
    w.hub.next('cursor.set', { cut: 'before' })
    const [first, second] = [w.hub.arrival('cursor.set'), w.hub.arrival('cursor.set')]
    room.setCursor(1)
    expect(await first).to.deep.equal({ contract_id, seq: 1 })
    expect(await second).to.deep.equal({ contract_id, seq: 1 })
  })
})
