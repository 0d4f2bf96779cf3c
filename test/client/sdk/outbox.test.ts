import { expect } from 'chai'
import { memoryStorage, RefusedError } from '../../../client/sdk/index.ts'
import { ACK_TIMEOUT_MS, bodies, useWorld } from './sdk-world.ts'

describe('the outbox of the sdk', () => {
  const w = useWorld()
  let contract_id: string
  beforeEach(() => {
    contract_id = w.hub.openContract()
  })

  const recorded = () => bodies(w.hub.log(contract_id).events)

  it('[SDK-1] a frame is in the storage, with its key, before it is sent, and until its acknowledgement', async () => {
    const storage = memoryStorage()
    const { sdk } = await w.join({ storage })
    const room = await sdk.room(contract_id)
    const arrival = w.hub.arrival('message.post')
    const posted = room.post('hello')
    const sent = await arrival
    const entries = await storage.load()
    expect(entries.map(({ payload }) => payload)).to.deep.equal([sent])
    expect(sent.key).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect((await posted).seq).to.equal(2)
    expect(await storage.load()).to.deep.equal([])
  })

  for (const fault of [{ lose: 'ack' }, { lose: 'frame' }, { cut: 'before' }, { cut: 'after' }] as const) {
    it(`[SDK-1] after ${JSON.stringify(fault)} it goes again with the same key and payload, and is recorded once`, async () => {
      const { sdk } = await w.join({ ack_timeout_ms: ACK_TIMEOUT_MS })
      const room = await sdk.room(contract_id)
      w.hub.next('message.post', fault)
      const { seq } = await room.post('hello', { key: 'k-1' })
      const [first, ...again] = w.hub.payloads('message.post')
      expect(again.length).to.be.at.least(1)
      expect(again).to.deep.equal(again.map(() => first))
      expect({ seq, recorded: recorded() }).to.deep.equal({ seq: 2, recorded: ['hello'] })
    })
  }

  it('[SDK-2] what a page or process left behind is sent by the next one of the same principal, in order', async () => {
    const storage = memoryStorage()
    const first = await w.join({ storage })
    const room = await first.sdk.room(contract_id)
    w.hub.next('message.post', { lose: 'frame' })
    const arrival = w.hub.arrival('message.post')
    const left = Promise.allSettled(['one', 'two', 'three'].map((body) => room.post(body)))
    await arrival
    await first.sdk.close()
    expect((await left).map((outcome) => outcome.status === 'rejected' && outcome.reason.code)).to.deep.equal(Array(3).fill('HUB_CLOSED'))
    expect(recorded()).to.deep.equal([])

    const { sdk } = await w.join({ storage })
    await (await sdk.room(contract_id)).post('four')
    expect(recorded()).to.deep.equal(['one', 'two', 'three', 'four'])
  })

  it('[SDK-2] what another principal left in the same storage stays there', async () => {
    const storage = memoryStorage()
    const entry = {
      id: '01',
      owner: `${w.hub.url} somebody-else`,
      contract_id,
      frame: 'message.post' as const,
      at: '2026-11-20T10:00:00.000Z',
    }
    await storage.put({ ...entry, payload: { contract_id, key: 'k-1', body: 'not yours' } })
    const { sdk } = await w.join({ storage })
    await (await sdk.room(contract_id)).post('mine')
    expect(recorded()).to.deep.equal(['mine'])
    expect((await storage.load()).map(({ id }) => id)).to.deep.equal(['01'])
  })

  it('[SDK-3] within a room frames are recorded in the order given, whatever is refused or lost on the way', async () => {
    const { sdk } = await w.join({ ack_timeout_ms: ACK_TIMEOUT_MS })
    const room = await sdk.room(contract_id)
    const later = { refuse: 'OVERLOADED' } as const
    w.hub.next('message.post', later, { lose: 'ack' }, { cut: 'before' }, later, { refuse: 'UNAVAILABLE' }, { cut: 'after' }, later)
    const texts = Array.from({ length: 8 }, (_, index) => `message ${index}`)
    await Promise.all(texts.map((body) => room.post(body)))
    expect(recorded()).to.deep.equal(texts)
  })

  it('[SDK-3] a refused room does not hold up another', async () => {
    const other = w.hub.openContract()
    const { sdk } = await w.join()
    const [room, free] = [await sdk.room(contract_id), await sdk.room(other)]
    w.hub.next('message.post', { refuse: 'RATE_LIMITED', facts: { retry_after_ms: 5_000 } })
    const stuck = room.post('later')
    await free.post('now')
    expect(recorded()).to.deep.equal([])
    w.clock.pass(5_000)
    await stuck
  })

  it('[SDK-3] a pause that the hub asks for is kept to the millisecond', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    w.hub.next('message.post', { refuse: 'RATE_LIMITED', facts: { retry_after_ms: 5_000 } })
    const posted = room.post('hello')
    await new Promise<void>((resolve) => room.subscribe(() => room.pending[0]?.tries === 1 && w.clock.waits.includes(5_000) && resolve()))
    w.clock.pass(4_999)
    expect(w.hub.payloads('message.post')).to.have.length(1)
    w.clock.pass(1)
    await posted
    expect(w.hub.payloads('message.post')).to.have.length(2)
  })

  it('[SDK-4] a refusal for good rejects with its code and fix, leaves the outbox, and the next frame goes on', async () => {
    const storage = memoryStorage()
    const { sdk } = await w.join({ storage })
    const room = await sdk.room(contract_id)
    w.hub.next('message.post', { refuse: 'CONTRACT_ENDED' })
    const [refused, accepted] = await Promise.allSettled([room.post('one'), room.post('two')])
    const reason: unknown = refused.status === 'rejected' && refused.reason
    expect(reason).to.be.instanceOf(RefusedError)
    expect(reason).to.include({ code: 'CONTRACT_ENDED', fix: 'Open a new contract to go on.', retry: 'never' })
    expect(accepted.status).to.equal('fulfilled')
    expect(await storage.load()).to.deep.equal([])
  })

  it('[SDK-4] a frame that the hub fails on every time is given up, and those behind it go on', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    w.hub.next('message.post', ...Array(8).fill({ refuse: 'INTERNAL' }))
    const [refused, accepted] = await Promise.allSettled([room.post('poison'), room.post('fine')])
    expect(refused).to.have.nested.property('reason.code', 'INTERNAL')
    expect(accepted.status).to.equal('fulfilled')
    expect(recorded()).to.deep.equal(['fine'])
  })

  it('[SDK-5] two tabs that share a storage record each entry once', async () => {
    const storage = memoryStorage()
    const first = await w.join({ storage, ack_timeout_ms: ACK_TIMEOUT_MS })
    w.hub.next('message.post', { lose: 'frame' })
    const arrival = w.hub.arrival('message.post')
    const posted = (await first.sdk.room(contract_id)).post('from the first tab')
    await arrival
    const second = await w.join({ storage })
    const room = await second.sdk.room(contract_id)
    await room.post('from the second')
    expect((await posted).seq).to.be.greaterThan(1)
    expect(recorded()).to.have.members(['from the first tab', 'from the second'])
    expect(await storage.load()).to.deep.equal([])
  })

  it('[SDK-6] a storage that fails costs no frame, and is reported', async () => {
    const full = { load: () => [], put: () => Promise.reject(new Error('disk full')), remove: () => undefined }
    const { sdk, problems } = await w.join({ storage: full })
    await (await sdk.room(contract_id)).post('hello')
    expect(recorded()).to.deep.equal(['hello'])
    expect(problems.map(({ during, error }) => `${during}: ${error.message}`)).to.deep.equal(['storage: disk full'])
  })

  it('[SDK-7] what was given without a connection is pending until its event is in the view', async () => {
    const { sdk } = await w.join()
    const room = await sdk.room(contract_id)
    w.hub.next('message.post', { refuse: 'OVERLOADED' })
    const seen: string[] = []
    room.subscribe(() => seen.push(`${room.pending.map(({ payload }) => payload.body)}@${room.view.seq}`))
    await room.post('hello')
    const done = new Promise<void>((resolve) => room.subscribe(() => room.view.seq === 2 && resolve()))
    if (room.view.seq !== 2) await done
    expect(new Set(seen)).to.deep.equal(new Set(['hello@1', '@2']))
    expect(room.pending).to.deep.equal([])
  })
})
