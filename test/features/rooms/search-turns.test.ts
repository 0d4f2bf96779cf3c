import { expect } from 'chai'
import { createRoomModels } from '../../../server/features/rooms/model.ts'
import { createSearchRoom } from '../../../server/features/rooms/search/search-room.ts'
import { createWordBlocks } from '../../../server/features/rooms/search/word-blocks.ts'
import type { StoredEvent } from '../../../server/pipeline/store/event-store.ts'
import { createFairTurns } from '../../../server/pipeline/store/fair-turns.ts'
import { say, useRig } from '../../pipeline/log/log-rig.ts'

const LONG = 'né 漢字かな交じり文 '.repeat(2_500)
const MESSAGES = 60

describe('what a search costs the others', () => {
  const rig = useRig()

  it('[ROOM-36] the event loop goes on after every 64 KB of texts, whether words are written down or looked for', async () => {
    const stream = rig.stream()
    const writer = rig.otherLog()
    await Promise.all(Array.from({ length: MESSAGES }, (_, at) => say(writer, stream, { key: `${at}`, body: LONG })))
    const perTurn = [0]
    const counted = (stored: StoredEvent): StoredEvent => ({
      ...stored,
      get event() {
        perTurn[perTurn.length - 1] = (perTurn.at(-1) ?? 0) + stored.bytes
        return stored.event
      },
    })
    const log = rig.createLog()
    const seen: typeof log = {
      ...log,
      page: async (...place) => {
        const { events, head } = await log.page(...place)
        return { events: events.map(counted), head }
      },
    }
    const searchRoom = createSearchRoom({ log: seen, blocks: createWordBlocks({ models: createRoomModels(rig.connection), log: seen }) })
    let isOver = false
    const turn = () => {
      perTurn.push(0)
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    let work = 0
    const found: number[] = []
    const search = searchRoom(await log.open(stream), {
      ...{ words: ['ne', '漢字'], seesNotes: true, order: 'desc' },
      onWork: (bytes) => {
        work += bytes
      },
    })
    for await (const { seq } of search) found.push(seq)
    isOver = true
    expect(found).to.deep.equal(Array.from({ length: MESSAGES }, (_, at) => MESSAGES - at))
    expect(work).to.be.above(MESSAGES * Buffer.byteLength(LONG))
    expect(Math.max(...perTurn)).to.be.below(65_536 + 2 * Buffer.byteLength(LONG))
  })

  it('[ROOM-36] one of a principal is under way, and whoever asks for many keeps another waiting for one of them', async () => {
    const turns = createFairTurns({ at_once: 2, per_lane: 1 })
    const began: string[] = []
    const gates = new Map<string, () => void>()
    const ask = (lane: string, name: string) =>
      turns.run(lane, () => {
        began.push(name)
        return new Promise<void>((resolve) => gates.set(name, resolve))
      })
    const all = Promise.all([...['a1', 'a2', 'a3'].map((name) => ask('a', name)), ask('b', 'b1'), ask('c', 'c1')])
    await new Promise(setImmediate)
    expect(began).to.deep.equal(['a1', 'b1'])
    for (const name of ['a1', 'b1', 'a2', 'c1', 'a3']) {
      gates.get(name)?.()
      await new Promise(setImmediate)
    }
    await all
    expect(began).to.deep.equal(['a1', 'b1', 'a2', 'c1', 'a3'])
  })
})
