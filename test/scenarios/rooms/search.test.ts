import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { expect } from 'chai'
import type { WireEvent } from '../../../shared/protocol/index.ts'
import { startHub, type TestHub } from '../../harness/hub.ts'
import { api, type Client, connectAs, openContract, type Person, signUp } from '../../harness/people.ts'
import { createRandom, seedOf } from '../../harness/random.ts'
import { type Home, makeHome, openDatabaseOf } from '../stage.ts'

interface Page {
  items: WireEvent[]
  total: number
  next_cursor?: string
}

const MANY = 1_000_000
const LIMITS = {
  ...{ frames_per_s: MANY, frames_burst: MANY, bytes_per_s: 200_000_000 },
  ...{ principal_frames_per_s: MANY, room_frames_per_s: MANY },
}
const seed = seedOf('PARLEY_SEARCH_SEED')

/** Searches in logs that are longer than what a search reads at once. */
describe('rooms: search in a long log', () => {
  const random = createRandom(seed)
  let home: Home
  let hub: TestHub
  let contract_id: string
  let requester: Person
  let reviewer: Person

  before(async () => {
    home = await makeHome()
    hub = await startHub({ like: home, limits: LIMITS })
    ;({ contract_id, requester } = await openContract(hub))
    reviewer = await signUp(hub, ['reviewer'])
  })
  after(async () => {
    await hub.close()
    await rm(home.data_dir, { recursive: true })
  })

  /** Every seventh a note, some words in most, some in few, and long ones now and then. */
  async function write(count: number, mark: string): Promise<void> {
    const writer: Client = await connectAs(hub, reviewer)
    const pick = (words: string[]) => words[random.below(words.length)]
    const say = (n: number) => {
      const words = ['the', mark, pick(['red', 'green', 'blue']), pick(['fox', 'Füchse', '東京都']), `n${random.below(400)}`]
      const body = `${words.join(' ')}${n % 100 === 0 ? ` ${Array.from({ length: 2_000 }, () => randomUUID().slice(0, 8)).join(' ')}` : ''}`
      return writer.must('message.post', { contract_id, key: randomUUID(), body, ...(n % 7 === 0 ? { visibility: 'staff' as const } : {}) })
    }
    for (let n = 0; n < count; n += 100) await Promise.all(Array.from({ length: Math.min(100, count - n) }, (_, at) => say(n + at)))
    writer.close()
  }

  async function get<T>(path: string, person: Person): Promise<T> {
    const { status, body } = await api<T>(hub, 'GET', `/contracts/${contract_id}${path}`, { bearer: person.bearer })
    expect(status, path).to.equal(200)
    return body
  }

  /** The whole log as the person reads it, page by page. */
  async function readAll(person: Person): Promise<WireEvent[]> {
    const all: WireEvent[] = []
    for (;;) {
      const { events } = await get<{ events: WireEvent[] }>(`/events?limit=500&after=${all.at(-1)?.seq ?? 0}`, person)
      if (events.length === 0) return all
      all.push(...events)
    }
  }

  async function mustFind(words: string[], { person, log }: { person: Person; log: WireEvent[] }): Promise<void> {
    const all = log
      .filter((event) => hasAll(event, words))
      .map(({ seq }) => seq)
      .reverse()
    const q = `q=${encodeURIComponent(words.join(' '))}`
    for (const order of ['desc', 'asc'] as const) {
      const wanted = order === 'desc' ? all : all.toReversed()
      const found: number[] = []
      for (let cursor: string | undefined = ''; cursor !== undefined; ) {
        const page: Page = await get<Page>(`/search?${q}&limit=200&sort_order=${order}${cursor && `&cursor=${cursor}`}`, person)
        expect(page.total, `total of ${words}`).to.equal(all.length)
        found.push(...page.items.map(({ seq }) => seq))
        cursor = page.next_cursor
      }
      expect(found, `${words} ${order} (seed ${seed})`).to.deep.equal(wanted)
    }
    const part = await get<Page>(`/search?${q}&limit=3&offset=5`, person)
    expect(part.items.map(({ seq }) => seq)).to.deep.equal(all.slice(5, 8))
  }

  async function mustFindAll(mark: string): Promise<void> {
    for (const person of [requester, reviewer]) {
      const log = await readAll(person)
      for (const words of [['the'], [mark, 'red'], ['red', 'fox'], [`n${random.below(400)}`], ['n7', 'blue'], ['nowhere']])
        await mustFind(words, { person, log })
    }
  }

  it(`[ROOM-32] a search of a long log finds what a reading of all of it finds, while it grows (seed ${seed})`, async () => {
    await write(1_300, 'first')
    await mustFindAll('first')
    await write(650, 'second')
    await Promise.all([mustFindAll('first'), mustFindAll('second')])
  })

  it('[ROOM-33] after a restore of the log from a backup a search finds what is in it now', async () => {
    await hub.close()
    const database = await openDatabaseOf(hub)
    const stream = `contract:${contract_id}`
    await database.collection('events').deleteMany({ stream, seq: { $gt: 900 } })
    await database.collection('snapshots').deleteMany({ stream, seq: { $gt: 900 } })
    await database.close()
    hub = await startHub({ like: home, limits: LIMITS })
    await mustFindAll('second')
    await write(1_500, 'restored')
    await mustFindAll('restored')
  })
})

function hasAll(event: WireEvent, words: string[]): boolean {
  const { body, title } = ('data' in event ? event.data : {}) as { body?: string; title?: string }
  const text = (body ?? title ?? '').toLowerCase().split(' ')
  return words.every((word) => text.includes(word))
}
