import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { api, type Client, connectAgent, connectAs, openClient, type Person } from '../../harness/people.ts'

/** A text that looks like a secret, and a part of it that is nowhere else, by which it is looked for. */
export interface Secret {
  mark: string
  text: string
}

/** Secrets of every kind that might be put where they do not belong. */
export const corpus: readonly Secret[] = [
  { mark: 'Kz9QwErTyUiOpAsDfGhJkLzXcVbNm1234567890qWeRtYuIo', text: 'pk_agent_live_Kz9QwErTyUiOpAsDfGhJkLzXcVbNm1234567890qWeRtYuIo' },
  { mark: 'tOkEnOfTheOperatorThatNobodyMayEverSee0123', text: 'op_tOkEnOfTheOperatorThatNobodyMayEverSee0123' },
  { mark: 'sIgNaTuReOfTheAccessToken', text: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sIgNaTuReOfTheAccessToken' },
  { mark: 'LiNkToKeN', text: 'LiNkToKeN0123456789012345678901234567890123'.slice(0, 43) },
  { mark: 'rEfReShToKeN', text: `rEfReShToKeN${'x'.repeat(64)}` },
  { mark: 'hUnTeR2hUnTeR2', text: 'mongodb://someone:hUnTeR2hUnTeR2@db.invalid/parley' },
  { mark: 'wEbHoOkSeCrEt', text: 'whsec_wEbHoOkSeCrEt0123456789' },
  { mark: 'cOoKiEvAlUe', text: '__Host-parley=cOoKiEvAlUe01234567890123456789012345678901' },
]

/** What people say is theirs: it lies in the room, and must not come further. */
export const said: Secret = { mark: 'sAiDiNtHeRoOm', text: 'pk_agent_live_sAiDiNtHeRoOm0123456789012345678901234567890' }

export interface Doors {
  url: string
  operator_token: string
  /** Everything that the hub answered, headers too. */
  answers: string[]
}

/** Every route with the secret as credentials, in its query, its path and its body: as a value, as an unknown field, as a broken body. */
export async function throughRoutes(doors: Doors, routes: readonly string[], { text }: Secret): Promise<void> {
  const inPath = encodeURIComponent(text)
  const operator = { authorization: `Bearer ${doors.operator_token}` }
  for (const route of routes) {
    const [method = 'GET', pattern = '/'] = route.split(' ')
    const path = pattern.replace(/:\w+/g, inPath)
    const whole = JSON.stringify({ [text]: text, token: text, refresh_token: text, password: text, key: 7, email: text })
    for (const body of method === 'GET' ? [undefined] : [whole, `{"broken": "${text}`]) {
      await ask(doors, { method, path, headers: { authorization: `Bearer ${text}` }, body })
      await ask(doors, { method, path, headers: { cookie: text, origin: doors.url }, body })
      const query = `${path}?token=${inPath}&q=${inPath}&${inPath}=1`
      if (pattern !== '/sessions/current') await ask(doors, { method, path: query, headers: operator, body })
    }
  }
  await ask(doors, { method: 'GET', path: `/nowhere/${inPath}` })
}

export async function ask(
  { url, answers }: Doors,
  { method, path, headers = {}, body }: { method: string; path: string; headers?: Record<string, string>; body?: string | undefined },
): Promise<void> {
  const json = body === undefined ? {} : { 'content-type': 'application/json' }
  const response = await fetch(url + path, { method, headers: { ...json, ...headers }, ...(body === undefined ? {} : { body }) })
  answers.push(JSON.stringify([...response.headers]) + (await response.text()))
}

/** Handshakes and frames. */
export async function throughSockets({ url, answers }: Doors, agent: Pick<Person, 'auth'>, { text }: Secret): Promise<void> {
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
    ['audit.follow', { q: text, cursor: text }],
    ['audit.follow', { subject: text }],
  ] as const)
    answers.push(JSON.stringify(await client.askRaw(type, payload)))
  client.close()
}

/** What no client that works would send: a broken request, a broken handshake, broken packets of Engine.IO and Socket.IO. */
export async function throughBrokenPackets(doors: Doors, { text }: Secret): Promise<void> {
  const lines = [
    `GET /me?token=${encodeURIComponent(text)} HTTP/9.9\r\n\r\n`,
    `GET /me HTTP/1.1\r\nHost: x\r\nAuthorization Bearer ${text}\r\n\r\n`,
    `${text} /me HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Correlation-Id: ${text}\r\ntraceparent: ${text}\r\n\r\n`,
    `GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: ${text.repeat(400)}\r\n\r\n`,
  ]
  for (const line of lines) doors.answers.push(await raw(doors.url, line))
  const poll = `/socket.io/?EIO=4&transport=polling`
  for (const path of [`${poll}&sid=${encodeURIComponent(text)}`, `/socket.io/?EIO=4&transport=${encodeURIComponent(text)}`])
    await ask(doors, { method: 'GET', path })
  for (const packet of [`40/rooms,{"key":"${text}`, `42/rooms,["${text}`, `9${text}`, `4${text}`, `42/${text},["x"]`])
    doors.answers.push(await packetOver(doors.url, packet))
  // Its answer goes by the namespace's name, to who made the name up and nobody else: that is Socket.IO itself.
  await packetOver(doors.url, `40/${text},{}`)
}

/** The text as the bytes of a connection, and what came back before it ended. */
async function raw(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.on('data', (piece: Buffer) => {
    answer += piece.toString()
  })
  socket.on('error', () => undefined) // `close` follows
  socket.write(text)
  await once(socket, 'close')
  return answer
}

/** One packet on a WebSocket of its own, and all that it brought back until the hub had enough of it, or answered a ping. */
async function packetOver(url: string, packet: string): Promise<string> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
  const answers: string[] = []
  const over = new Promise<void>((resolve) => {
    socket.addEventListener('close', () => resolve())
    socket.addEventListener('error', () => resolve())
    socket.addEventListener('message', ({ data }) => {
      answers.push(String(data))
      // The engine's own greeting: now it listens. What is sent behind the packet is read behind it.
      if (String(data).startsWith('0')) for (const each of [packet, '40/nowhere,{}']) socket.send(each)
      if (String(data).startsWith('44/nowhere')) socket.close()
    })
  })
  await over
  return answers.join('\n')
}

/** Words that people may well say to each other: a message, a tool's name for things, input, output, chunks, reasons. */
export async function sayInRoom(
  doors: Doors,
  { contract_id, requester, provider }: { contract_id: string; requester: Person; provider: Person },
  { text }: Secret,
): Promise<Client[]> {
  const agent = await connectAgent({ ...doors }, provider, [{ name: 'shout', description: text, input_schema: {} }])
  const human = await connectAs(doors, requester)
  await human.must('room.join', { contract_id })
  await human.must('message.post', { contract_id, key: 'said', body: text })
  const { call_id } = await human.must('tool.call', { contract_id, key: 'called', tool: 'shout', input: { text } })
  await agent.next('core.tool.call')
  await agent.must('agent.tool.stream', { call_id, seq: 1, chunk: text })
  await agent.must('agent.tool.result', { call_id, status: 'succeeded', output: { text } })
  const second = await human.must('tool.call', { contract_id, key: 'again', tool: 'shout', input: text })
  await human.must('tool.cancel', { contract_id, call_id: second.call_id, reason: text })
  await agent.must('agent.tool.result', { call_id: second.call_id, status: 'failed', error: { code: 'X', message: text } })
  await api(doors, 'POST', '/contracts', {
    body: { title: text, requester_id: requester.id, provider_id: provider.id },
    bearer: doors.operator_token,
  })
  await human.must('contract.end', { contract_id, key: 'ended', outcome: 'done', reason: text })
  return [agent, human]
}

/** The part of a text around a mark, for whoever must mend it. */
export function around(text: string, mark: string): string {
  const at = text.indexOf(mark)
  return JSON.stringify(text.slice(Math.max(at - 200, 0), at + 100))
}
