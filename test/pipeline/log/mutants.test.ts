import { expect } from 'chai'
import type { Log } from '../../../server/pipeline/log/log.ts'
import type { EventDocument, EventStore } from '../../../server/pipeline/store/event-store.ts'
import { createHistory, type History } from '../../harness/history/history.ts'
import { createRig, type Rig, say } from './log-rig.ts'

/** A hub that is wrong on purpose: what the history checker says of it is what it would say of a bug. */
describe('wrong hubs', () => {
  let rig: Rig
  beforeEach(async () => {
    rig = await createRig()
  })
  afterEach(() => rig.close())

  async function post(
    log: Log,
    stream: string,
    { by = 'ada', key, history }: { by?: string; key: string; history: History },
  ): Promise<void> {
    const contract_id = stream.slice('contract:'.length)
    history.sent(contract_id, by, { key, body: key })
    const { event } = (await say(log, stream, { by, key })).stored
    history.acked(contract_id, by, { key, seq: event.seq, chain: event.chain })
  }

  async function kindsOf(history: History, stream: string): Promise<string[]> {
    const events = await rig.events(stream)
    history.log(
      stream.slice('contract:'.length),
      events.map(({ event }) => event),
    )
    return [...new Set(history.faults().map(({ kind }) => kind))]
  }

  it('[HIST-9] one that acknowledges before it commits, and is killed', async () => {
    const [stream, history] = [rig.stream(), createHistory()]
    const unwritten: EventDocument[][] = []
    const store: EventStore = {
      ...rig.plain,
      insert: async (documents) => {
        unwritten.push(documents)
        if (unwritten.length > 2) await rig.plain.insert(unwritten.shift() ?? [])
        return { state: 'committed' }
      },
    }
    const log = rig.createLog({ store })
    for (let n = 0; n < 6; n++) await post(log, stream, { key: `k${n}`, history })
    // Killed here; the next one goes on behind what is there.
    for (let n = 6; n < 9; n++) await post(rig.otherLog(), stream, { key: `k${n}`, history })
    expect(await kindsOf(history, stream)).to.deep.equal(['lost'])
  })

  it('[HIST-9] one without the unique index on keys, after a restart', async () => {
    const [stream, history] = [rig.stream(), createHistory()]
    await rig.connection.collection('events').dropIndex('events_key')
    const log = rig.createLog()
    await Promise.all(Array.from({ length: 1_100 }, (_, n) => post(log, stream, { key: `k${n}`, history })))
    await log.flush()
    await post(rig.otherLog(), stream, { key: 'k7', history })
    expect(await kindsOf(history, stream)).to.deep.equal(['doubled', 'reordered', 'misplaced'])
  })

  it('[HIST-9] two without the compare-and-swap, on one room', async () => {
    const [stream, history] = [rig.stream(), createHistory()]
    const store: EventStore = {
      ...rig.plain,
      insert: (documents) => rig.plain.insert(documents.map((one) => ({ ...one, _id: `${one._id} ${one.by.id}` }))),
    }
    const [one, two] = [rig.createLog({ store }), rig.createLog({ store, publish: () => {} })]
    await post(one, stream, { key: 'first', history })
    await two.open(stream)
    await Promise.all([post(one, stream, { key: 'a', history }), post(two, stream, { by: 'eve', key: 'b', history })])
    expect(await kindsOf(history, stream)).to.include.members(['hole', 'misplaced'])
  })

  it('[HIST-9] a right one, by the same steps', async () => {
    const [stream, history] = [rig.stream(), createHistory()]
    const [one, two] = [rig.createLog(), rig.otherLog()]
    await post(one, stream, { key: 'first', history })
    await two.open(stream)
    await Promise.all([post(one, stream, { key: 'a', history }), post(two, stream, { by: 'eve', key: 'b', history })])
    await post(two, stream, { key: 'a', history })
    expect(await kindsOf(history, stream)).to.deep.equal([])
  })
})
