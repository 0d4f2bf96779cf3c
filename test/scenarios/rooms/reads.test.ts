import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type mongoose from 'mongoose'
import type { WireEvent } from '../../../shared/protocol/index.ts'
import { api, openContract, type Person, signUp } from '../../harness/people.ts'
import { openDatabaseOf, readLog, type Stage, setStage } from '../stage.ts'

interface Page {
  items: { contract_id: string; seq: number }[]
  total: number
  limit: number
  offset: number
}

/** Lists, pages, search and the proof that a log is whole. */
describe('rooms: reads', () => {
  let stage: Stage

  before(async () => {
    stage = await setStage()
  })

  beforeEach(() => stage.clock.advance(5_000))
  after(() => stage.close())

  const get = async <T>(path: string, { bearer }: Pick<Person, 'bearer'>): Promise<T> =>
    (await api<T>(stage.hub, 'GET', path, { bearer })).body
  const operator = () => ({ bearer: stage.hub.operator_token })

  describe('of a sound log', () => {
    afterEach(() => stage.mustBeSound())

    it('[ROOM-17] contracts are listed newest first, in pages that fit together', async () => {
      const requester = await signUp(stage.hub)
      const ids: string[] = []
      for (let n = 0; n < 7; n++) {
        stage.clock.advance(1)
        ids.unshift((await openContract(stage.hub, { requester, provider: stage.provider })).contract_id)
      }
      const pages = await Promise.all([0, 3, 6, 9].map((offset) => get<Page>(`/contracts?limit=3&offset=${offset}`, requester)))
      expect(pages.flatMap(({ items }) => items.map(({ contract_id }) => contract_id))).to.deep.equal(ids)
      expect(pages.map(({ total, limit, offset }) => [total, limit, offset])).to.deep.equal([0, 3, 6, 9].map((offset) => [7, 3, offset]))
    })

    it('[ROOM-18] a list holds what its reader is a party to, or owns; staff see all', async () => {
      const { hub, requester, provider, contract_id } = stage
      const listed = async (person: Pick<Person, 'bearer'>) =>
        (await get<Page>('/contracts?limit=200', person)).items.some((item) => item.contract_id === contract_id)
      const people = [requester, provider, operator(), await signUp(hub, ['reviewer']), await signUp(hub), await signUp(hub, ['provider'])]
      expect(await Promise.all(people.map(listed))).to.deep.equal([true, true, true, true, false, false])
    })

    it('[ROOM-19] the events of a log come in pages behind a place', async () => {
      const { contract_id, human, requester } = stage
      for (let n = 0; n < 12; n++) await human.must('message.post', { contract_id, key: randomUUID(), body: `${n}` })
      const page = (query: string) => get<{ events: WireEvent[]; head: number }>(`/contracts/${contract_id}/events?${query}`, requester)
      const all = await page('')
      expect(all.events.map(({ seq }) => seq)).to.deep.equal(Array.from({ length: all.head }, (_, n) => n + 1))
      const collected: WireEvent[] = []
      while (collected.length < all.head) collected.push(...(await page(`after=${collected.length}&limit=5`)).events)
      expect(collected).to.deep.equal(all.events)
      expect((await page(`after=${all.head}`)).events).to.deep.equal([])
      expect((await page('after=999999999999')).events).to.deep.equal([])
    })

    it('[ROOM-19] a page has at most 128 KB, and at least one event however large', async () => {
      const { contract_id, human, requester } = stage
      const { seq } = await human.must('message.post', { contract_id, key: randomUUID(), body: 'x'.repeat(100_000) })
      for (let n = 0; n < 3; n++) await human.must('message.post', { contract_id, key: randomUUID(), body: `${n}`.repeat(50_000) })
      const large = await human.must('message.post', { contract_id, key: randomUUID(), body: '字'.repeat(70_000) })
      const path = `/contracts/${contract_id}/events?limit=500&after=`
      const collected: number[] = []
      for (let after = seq - 1; after < large.seq; after = collected.at(-1) ?? after) {
        const { events } = await get<{ events: WireEvent[] }>(`${path}${after}`, requester)
        expect(events).not.to.deep.equal([])
        if (events.length > 1) expect(Buffer.byteLength(JSON.stringify(events))).to.be.at.most(131_072)
        collected.push(...events.map((event) => event.seq))
      }
      expect(collected).to.deep.equal(Array.from({ length: 5 }, (_, at) => seq + at))
    })

    /** Says these in the room; finds what holds the words of `q` among them, the newest first. */
    async function posted(bodies: string[]): Promise<(q: string) => Promise<(string | undefined)[]>> {
      const { contract_id, human, requester } = stage
      const seqs: number[] = []
      for (const body of bodies) seqs.push((await human.must('message.post', { contract_id, key: randomUUID(), body })).seq)
      return async (q) => {
        const { items, total } = await get<Page>(`/contracts/${contract_id}/search?q=${encodeURIComponent(q)}`, requester)
        expect(total).to.equal(items.length)
        return items.map(({ seq }) => bodies[seqs.indexOf(seq)])
      }
    }

    it('[ROOM-20] a search finds what holds all of its words, whatever their case and accents', async () => {
      const { contract_id, human, requester } = stage
      const bodies = ['Żółw idzie powoli', 'zolw stoi', 'Crème brûlée für Straßenkinder', 'price: 1,200.50 EUR']
      const find = await posted(bodies)
      expect(await find('CREME')).to.deep.equal([bodies[2]])
      expect(await find('brulee FÜR')).to.deep.equal([bodies[2]])
      expect(await find('creme nowhere')).to.deep.equal([])
      expect(await find('eur 200')).to.deep.equal([bodies[3]])
      expect(await find('ŻÓŁW')).to.deep.equal([bodies[0]])
      expect(await find('stoi')).to.deep.equal([bodies[1]])
      expect(await find('(.*) sorry')).to.deep.equal([])
      const { call_id } = await human.must('tool.call', {
        contract_id,
        key: randomUUID(),
        tool: 'shout',
        input: { text: 'findable input' },
      })
      const calls = await get<Page>(`/contracts/${contract_id}/search?q=findable+shout`, requester)
      expect(calls.items).to.have.lengthOf(1)
      await stage.agent.must('agent.tool.result', { call_id, status: 'succeeded' })
    })

    it('[ROOM-20] in scripts without spaces it finds all pairs of neighbouring characters', async () => {
      const bodies = ['明日は東京都庁でモデル会議をします', '我们在北京讨论合同条款', 'วันนี้อากาศดีมาก', 'GPT4モデルのﾃｽﾄ', '京東で買う']
      const find = await posted(bodies)
      expect(await find('東京')).to.deep.equal([bodies[0]])
      expect(await find('都庁 モデル')).to.deep.equal([bodies[0]])
      expect(await find('モデル')).to.deep.equal([bodies[3], bodies[0]])
      expect(await find('gpt4 テスト')).to.deep.equal([bodies[3]])
      expect(await find('合同')).to.deep.equal([bodies[1]])
      expect(await find('京')).to.deep.equal([bodies[4], bodies[1], bodies[0]])
      expect(await find('อากาศ')).to.deep.equal([bodies[2]])
      expect(await find('合東')).to.deep.equal([])
      expect(await find('我们在北京讨论合同条款')).to.deep.equal([bodies[1]])
    })
  })

  type Stored = { _id: string; seq: number; json: string; chain: string }
  const tampering: Record<string, (events: mongoose.mongo.Collection<Stored>, event: Stored) => Promise<unknown>> = {
    'a changed word': (events, { _id, json }) => events.updateOne({ _id }, { $set: { json: json.replace('original', 'changed!') } }),
    'a changed word with its digest': async (events, { _id, json }) => {
      const changed = json.replace('original', 'changed!')
      const { createHash } = await import('node:crypto')
      return events.updateOne({ _id }, { $set: { json: changed, digest: createHash('sha256').update(changed).digest('hex') } as object })
    },
    'text that is no JSON': (events, { _id }) => events.updateOne({ _id }, { $set: { json: 'no JSON' } }),
    'no text': (events, { _id }) => events.updateOne({ _id }, { $unset: { json: '' } } as object),
    'another chain': (events, { _id }) => events.updateOne({ _id }, { $set: { chain: '0'.repeat(64) } }),
    'another type beside the text': (events, { _id }) => events.updateOne({ _id }, { $set: { type: 'contract.ended' } as object }),
    'another writer beside the text': (events, { _id }) => events.updateOne({ _id }, { $set: { 'by.id': 'eve' } as object }),
    'an event taken out': (events, { _id }) => events.deleteOne({ _id }),
  }
  for (const [what, tamper] of Object.entries(tampering)) {
    it(`[ROOM-21] verify tells the first event that does not fit: ${what}`, async () => {
      const { hub } = stage
      const { contract_id, requester, provider } = await openContract(hub, { requester: stage.requester, provider: stage.provider })
      for (const key of ['a', 'b', 'c']) await stage.human.must('message.post', { contract_id, key, body: `original ${key}` })
      const verify = () => get<{ ok: boolean; head: number; chain: string }>(`/contracts/${contract_id}/log/verify`, requester)
      const before = await readLog(hub, contract_id)
      expect(await verify()).to.deep.equal({ ok: true, head: 4, chain: before[3]?.chain, checkpoint: 0 })

      const database = await openDatabaseOf(hub)
      const events = database.collection('events') as unknown as mongoose.mongo.Collection<Stored>
      const event = await events.findOne({ _id: `contract:${contract_id}:000000000003` })
      if (event === null) throw new Error('the event is not there')
      await tamper(events, event)
      await database.close()
      const fault = what.includes('taken out') ? 'missing' : /chain|digest/.test(what) ? 'not_tied' : 'changed'
      expect(await verify()).to.deep.include({ ok: false, head: 2, chain: before[1]?.chain, first_bad: 3, fault })
      expect(hub.troubles).to.deep.equal([])
      expect(await get(`/contracts/${contract_id}/log/verify`, provider)).to.have.property('ok', false)
    })
  }
})
