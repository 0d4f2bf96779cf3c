import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { connectAs, openClient } from '../../harness/people.ts'
import { startIdentityHub } from '../identity/identity-hub.ts'

type World = Awaited<ReturnType<typeof startIdentityHub>>

/** Secrets of every kind that might be put where they do not belong. Each holds a mark of its own, by which it is looked for. */
const corpus: readonly { mark: string; text: string }[] = [
  { mark: 'Kz9QwErTyUiOpAsDfGhJkLzXcVbNm1234567890qWeRtYuIo', text: 'pk_agent_live_Kz9QwErTyUiOpAsDfGhJkLzXcVbNm1234567890qWeRtYuIo' },
  { mark: 'tOkEnOfTheOperatorThatNobodyMayEverSee0123', text: 'op_tOkEnOfTheOperatorThatNobodyMayEverSee0123' },
  { mark: 'sIgNaTuReOfTheAccessToken', text: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sIgNaTuReOfTheAccessToken' },
  { mark: 'LiNkToKeN', text: 'LiNkToKeN0123456789012345678901234567890123'.slice(0, 43) },
  { mark: 'rEfReShToKeN', text: `rEfReShToKeN${'x'.repeat(64)}` },
  { mark: 'hUnTeR2hUnTeR2', text: 'mongodb://someone:hUnTeR2hUnTeR2@db.invalid/parley' },
  { mark: 'wEbHoOkSeCrEt', text: 'whsec_wEbHoOkSeCrEt0123456789' },
  { mark: 'cOoKiEvAlUe', text: '__Host-parley=cOoKiEvAlUe01234567890123456789012345678901' },
]

describe('secrets in the wrong place', () => {
  let world: World
  let url: string
  const answers: string[] = []

  before(async () => {
    world = await startIdentityHub()
    url = world.url
  })
  after(() => world.close())

  async function ask(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<void> {
    const json = body === undefined ? {} : { 'content-type': 'application/json' }
    const response = await fetch(url + path, { method, headers: { ...json, ...headers }, ...(body === undefined ? {} : { body }) })
    answers.push(JSON.stringify([...response.headers]) + (await response.text()))
  }

  /** Every route with the secret as credentials, in its query, its path and its body: as a value, as an unknown field, as a broken body. */
  async function throughRoutes({ text }: { text: string }): Promise<void> {
    const inPath = encodeURIComponent(text)
    for (const route of world.routes) {
      const [method = 'GET', pattern = '/'] = route.split(' ')
      const path = pattern.replace(/:\w+/g, inPath)
      const operator = { authorization: `Bearer ${String(world.operator.bearer)}` }
      const bodies =
        method === 'GET'
          ? [undefined]
          : [JSON.stringify({ [text]: text, token: text, refresh_token: text, password: text, key: 7, email: text }), `{"broken": "${text}`]
      for (const body of bodies) {
        await ask(method, path, { authorization: `Bearer ${text}` }, body)
        await ask(method, path, { cookie: text, origin: url }, body)
        if (pattern !== '/sessions/current') await ask(method, `${path}?token=${inPath}&q=${inPath}&${inPath}=1`, operator, body)
      }
    }
    await ask('GET', `/nowhere/${inPath}`)
  }

  async function throughSockets({ text }: { text: string }, agent: { auth: { key: string } }): Promise<void> {
    for (const auth of [{ key: text }, { token: text }, { [text]: text }]) {
      const client = openClient({ url }, auth)
      const refusal = await new Promise<unknown>((resolve) =>
        client.socket.once('connect_error', (error) => resolve((error as { data?: unknown }).data)),
      )
      answers.push(JSON.stringify(refusal))
      client.close()
    }
    const client = await connectAs({ url }, agent)
    for (const [type, payload] of [
      [text, {}],
      ['room.join', { contract_id: text }],
      ['auth.refresh', { token: text }],
      ['auth.refresh', { key: text }],
      ['message.post', { contract_id: randomUUID(), key: text, [text]: text }],
      ['agent.hello', { protocol: text, agent: text }],
    ] as const)
      answers.push(JSON.stringify(await client.askRaw(type, payload)))
    client.close()
  }

  async function stored(): Promise<string> {
    const collections = (await world.connection.db?.listCollections().toArray()) ?? []
    const rows = await Promise.all(collections.map(({ name }) => world.connection.collection(name).find({}).toArray()))
    return JSON.stringify(rows)
  }

  it('[AUDIT-18] none that is sent through any door comes out in the log, in an answer, in the trail or in the database; a planted control does', async function () {
    this.timeout(180_000)
    const made = await world.newAgent()
    const agent = { auth: { key: String(made['api_key']) } }
    for (const secret of corpus) {
      await throughRoutes(secret)
      await throughSockets(secret, agent)
    }
    const control = `control-${randomUUID()}`
    await ask('GET', `/nowhere/${control}`)
    await world.post('/agents', { name: control }, world.operator)
    const places = { answers: answers.join('\n'), log: world.logged.join('\n'), database: await stored() }
    for (const [place, text] of Object.entries(places)) {
      expect(text.includes(control), `the control in the ${place}`).to.equal(true)
      for (const { mark } of corpus)
        expect(text.includes(mark) ? `${mark} is in the ${place}: ${around(text, mark)}` : 'not there').to.equal('not there')
      expect(text.includes(agent.auth.key), `an agent’s own key in the ${place}`).to.equal(false)
    }
  })
})

function around(text: string, mark: string): string {
  const at = text.indexOf(mark)
  return text.slice(Math.max(at - 200, 0), at + 100)
}
