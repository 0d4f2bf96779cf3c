import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server, type Socket } from 'socket.io'
import {
  type By,
  defaultLimits,
  type ErrorCode,
  ParleyError,
  type PlainCode,
  type RoomView,
  type WireEvent,
} from '../../../shared/protocol/index.ts'
import { emptyRoom, evolve } from '../../../shared/rules/evolve.ts'
import type { Fault } from './fault.ts'

interface Log {
  epoch: string
  events: WireEvent[]
  keys: Map<string, number>
}

type Payload = Record<string, unknown> & { contract_id: string }
type Answer = Record<string, unknown>

const PARTIES = { requester_id: 'a0000000-0000-4000-8000-000000000001', provider_id: 'a0000000-0000-4000-8000-000000000002' }

/**
 * A hub that fails on demand: it loses acknowledgements, leaves holes, repeats, replaces its log, closes. A healthy hub never shows
 * these, so it cannot test what a client makes of them. It keeps no promise beyond the ones a client leans on.
 */
export class FaultyHub {
  url = ''
  /** Every frame that came, in order. */
  readonly frames: { type: string; payload: Payload }[] = []
  principal: By & { name: string } = { kind: 'agent', id: PARTIES.provider_id, name: 'agent' }
  /** The next handshakes are refused with these. */
  readonly handshakes: ErrorCode[] = []
  readonly auths: unknown[] = []
  /** How many pages of a log were asked for over HTTP. */
  pages = 0
  contracts: string[] = []
  /** A longer text of a stream is left out of the view. */
  longest_text = Number.POSITIVE_INFINITY
  /** Who is behind by more gets the room folded before the last event. */
  longest_replay = Number.POSITIVE_INFINITY
  readonly #logs = new Map<string, Log>()
  readonly #faults = new Map<string, Fault[]>()
  readonly #waiting: { type: string; resolve: (payload: Payload) => void }[] = []
  readonly #streams = new Map<string, { contract_id: string; text: string; next_seq: number }>()
  readonly #http = createServer((request, response) => this.#serve(request, response))
  readonly #io = new Server(this.#http, { transports: ['websocket'] })

  async start(port = 0): Promise<this> {
    const rooms = this.#io.of('/rooms')
    rooms.use((socket, next) => {
      this.auths.push(socket.handshake.auth)
      const code = this.handshakes.shift()
      if (code === undefined) next()
      else next(Object.assign(new Error(code), { data: new ParleyError(code as PlainCode).toRefusal('c-1') }))
    })
    rooms.on('connection', (socket) => {
      socket.onAny((type: string, payload: Payload, ack?: (answer: unknown) => void) => this.#receive(socket, { type, payload, ack }))
    })
    await new Promise<void>((resolve) => this.#http.listen(port, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
    return this
  }

  async close(): Promise<void> {
    await this.#io.close()
  }

  /** The next frame of this type is treated so; several are used up in order. */
  next(type: string, ...faults: Fault[]): void {
    this.#faults.set(type, [...(this.#faults.get(type) ?? []), ...faults])
  }

  /** Resolves when the next frame of this type has come. */
  arrival(type: string): Promise<Payload> {
    return new Promise((resolve) => this.#waiting.push({ type, resolve }))
  }

  payloads(type: string): Payload[] {
    return this.frames.filter((frame) => frame.type === type).map((frame) => frame.payload)
  }

  openContract(contract_id: string = randomUUID()): string {
    this.#logs.set(contract_id, { epoch: 'e1', events: [], keys: new Map() })
    const permissions = { can_read_attachments: true, can_access_web: true, can_run_code_sandbox: true, can_message_requester: true }
    this.record(contract_id, { type: 'contract.opened', data: { title: 'test', ...PARTIES, permissions } })
    this.contracts.push(contract_id)
    return contract_id
  }

  /** Puts an event into the log and, unless it is hidden, tells the room. */
  record(contract_id: string, draft: { type: string; data: object; key?: string }, { isHidden = false } = {}): number {
    const { type, data, key = randomUUID() } = draft
    const { events, keys } = this.log(contract_id)
    const seq = events.length + 1
    const chain = createHash('sha256')
      .update(`${events.at(-1)?.chain}${seq}${key}`)
      .digest('hex')
    const event = { seq, type, at: new Date().toISOString(), by: this.principal, key, term: 1, data, salt: 's', chain }
    events.push(event as WireEvent)
    keys.set(key, seq)
    if (!isHidden) this.tell(contract_id, seq)
    return seq
  }

  say(contract_id: string, body: string, options?: { isHidden: boolean }): number {
    return this.record(contract_id, { type: 'message.posted', data: { body, visibility: 'all' } }, options)
  }

  /** Sends events of the log again, as they are. */
  tell(contract_id: string, first: number, last: number = first): void {
    const { epoch, events } = this.log(contract_id)
    this.push('events', { contract_id, epoch, first, last, events: events.slice(first - 1, last) })
  }

  push(name: string, payload: object): void {
    this.#io.of('/rooms').emit(name, payload)
  }

  /** Gives a call to the agent. */
  askTool(
    contract_id: string,
    { call_id = randomUUID() as string, tool = 'search', input = {}, deadline = '2999-01-01T00:00:00.000Z' },
  ): string {
    this.#streams.set(call_id, this.#streams.get(call_id) ?? { contract_id, text: '', next_seq: 1 })
    this.push('core.tool.call', { contract_id, call_id, tool, input, deadline, term: 1 })
    return call_id
  }

  streamed(call_id: string): string {
    return this.#streams.get(call_id)?.text ?? ''
  }

  /** The log is another one from here on: the first `keep` events of the old, under a new epoch. */
  replaceLog(contract_id: string, keep: number): void {
    const log = this.log(contract_id)
    this.#logs.set(contract_id, { epoch: `${log.epoch}+`, events: log.events.slice(0, keep), keys: new Map() })
  }

  /** Breaks every connection, as a network does. */
  cut(): void {
    for (const socket of this.#io.of('/rooms').sockets.values()) socket.conn.close()
  }

  log(contract_id: string): Log {
    const log = this.#logs.get(contract_id)
    if (log === undefined) throw new ParleyError('NOT_FOUND')
    return log
  }

  view(contract_id: string, at: number): RoomView {
    const folded = this.log(contract_id).events.slice(0, at).reduce(evolve, emptyRoom)
    const calls = folded.calls.map((call) => {
      const { text, next_seq } = this.#streams.get(call.call_id) ?? {}
      if (!text) return call
      return text.length > this.longest_text ? { ...call, next_seq } : { ...call, text, next_seq }
    }) as RoomView['calls']
    return { ...folded, calls }
  }

  #receive(socket: Socket, { type, payload, ack }: { type: string; payload: Payload; ack: ((answer: unknown) => void) | undefined }): void {
    const fault = this.#faults.get(type)?.shift()
    const arrived = this.#waiting.findIndex((waiting) => waiting.type === type)
    this.frames.push({ type, payload })
    if (fault && 'cut' in fault && fault.cut === 'before') socket.conn.close()
    else if (!(fault && 'lose' in fault && fault.lose === 'frame')) this.#answer(socket, type, payload, ack, fault)
    if (arrived >= 0) this.#waiting.splice(arrived, 1)[0]?.resolve(payload)
  }

  #answer(socket: Socket, type: string, payload: Payload, ack: ((answer: unknown) => void) | undefined, fault: Fault | undefined): void {
    try {
      if (fault && 'refuse' in fault) throw new ParleyError(fault.refuse as PlainCode, fault.facts)
      const { after, ...answer } = this.#handle(socket, type, payload)
      if (fault && 'cut' in fault) socket.conn.close()
      else if (!fault) ack?.({ ok: true, ...answer })
      if (typeof after === 'function') after()
    } catch (thrown) {
      if (!(thrown instanceof ParleyError)) throw thrown
      ack?.({ ok: false, error: thrown.toRefusal('c-1') })
    }
  }

  #handle(socket: Socket, type: string, payload: Payload): Answer {
    switch (type) {
      case 'agent.hello': {
        const contracts = this.contracts.map((contract_id) => ({ contract_id, head: 1, epoch: 'e1' }))
        return {
          protocol: 1,
          session_id: payload.resume ?? randomUUID(),
          principal: this.principal,
          heartbeat_ms: 15_000,
          limits: defaultLimits,
          contracts,
        }
      }
      case 'agent.tools.register':
        return { tools: (payload.tools as { name: string }[]).map(({ name }) => name) }
      case 'agent.heartbeat':
        return { heads: Object.fromEntries(this.contracts.map((contract_id) => [contract_id, this.#head(contract_id)])) }
      case 'room.join':
        return this.#join(socket, payload)
      case 'message.post':
        return this.#recordOnce(payload, { type: 'message.posted', data: { body: payload.body, visibility: payload.visibility ?? 'all' } })
      case 'tool.call':
        return this.#call(payload)
      case 'agent.tool.stream':
        return this.#stream(payload)
      case 'agent.tool.result':
        return this.#result(payload)
      default:
        return { seq: 0 }
    }
  }

  #head(contract_id: string): { seq: number; chain: string } {
    const { events } = this.log(contract_id)
    return { seq: events.length, chain: events.at(-1)?.chain ?? '' }
  }

  #join(socket: Socket, payload: Payload): Answer {
    const { contract_id, since, epoch, chain } = payload
    const log = this.log(contract_id)
    const head = this.#head(contract_id)
    const place = typeof since === 'number' ? since : head.seq
    const isOther =
      place > head.seq || (epoch ?? log.epoch) !== log.epoch || (chain !== undefined && place > 0 && log.events[place - 1]?.chain !== chain)
    const after = () => {
      if (isOther) return socket.emit('reset', { contract_id, epoch: log.epoch })
      const events = log.events.slice(place, head.seq)
      if (events.length > 0) socket.emit('events', { contract_id, epoch: log.epoch, first: place + 1, last: head.seq, events })
      return socket.emit('live', { contract_id, head: head.seq, epoch: log.epoch, chain: head.chain })
    }
    const near = head.seq - place > this.longest_replay ? head.seq - 1 : place
    return { epoch: log.epoch, head: head.seq, chain: head.chain, view: this.view(contract_id, isOther ? head.seq : near), after }
  }

  #recordOnce({ contract_id, key }: Payload, draft: { type: string; data: object }): Answer {
    const { keys, epoch, events } = this.log(contract_id)
    const known = keys.get(key as string)
    const chain = () => events.at(-1)?.chain
    if (known !== undefined) return { seq: known, epoch, chain: chain(), duplicate: true }
    const seq = this.record(contract_id, { ...draft, key: key as string }, { isHidden: true })
    return { seq, epoch, chain: chain(), after: () => this.tell(contract_id, seq) }
  }

  #call(payload: Payload): Answer {
    const call_id = `c0000000-0000-4000-8000-${String(payload.key).slice(-12)}`
    const { tool, input, contract_id } = payload
    const data = { call_id, tool, input, deadline: '2999-01-01T00:00:00.000Z', requires_approval: false, risk: 'low' }
    return { call_id, ...this.#recordOnce({ ...payload, contract_id }, { type: 'call.requested', data }) }
  }

  #stream({ call_id, seq, chunk }: Payload): Answer {
    const stream = this.#streams.get(call_id as string)
    if (stream === undefined) throw new ParleyError('CALL_NOT_OPEN')
    if (stream.next_seq !== seq) throw new ParleyError('CHUNK_OUT_OF_ORDER', { next_seq: stream.next_seq })
    this.#streams.set(call_id as string, { ...stream, text: stream.text + chunk, next_seq: stream.next_seq + 1 })
    return { after: () => this.push('chunk', { contract_id: stream.contract_id, call_id, seq, chunk }) }
  }

  /** A chunk of a call, as the provider's session would make it. */
  chunk(contract_id: string, call_id: string, chunk: string, { isHidden = false } = {}): void {
    const stream = this.#streams.get(call_id) ?? { contract_id, text: '', next_seq: 1 }
    this.#streams.set(call_id, { ...stream, text: stream.text + chunk, next_seq: stream.next_seq + 1 })
    if (!isHidden) this.push('chunk', { contract_id, call_id, seq: stream.next_seq, chunk })
  }

  #result({ call_id, status, output, error }: Payload): Answer {
    const stream = this.#streams.get(call_id as string)
    if (stream === undefined) throw new ParleyError('CALL_NOT_OPEN')
    const key = `result:${call_id}`
    return this.#recordOnce(
      { contract_id: stream.contract_id, key },
      { type: `call.${status}`, data: { call_id, tool: 'search', output, error } },
    )
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url)
    const [, , contract_id, , call_id] = pathname.split('/')
    const send = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (pathname === '/me') return void send(200, { ...this.principal, roles: [] })
    if (contract_id === undefined || !this.#logs.has(contract_id)) return void send(404, new ParleyError('NOT_FOUND').toRefusal('c-1'))
    const text = call_id && this.#streams.get(call_id)?.text
    if (text) return void response.writeHead(200, { 'content-type': 'text/plain' }).end(text)
    if (call_id) return void send(404, new ParleyError('NOT_FOUND').toRefusal('c-1'))
    this.pages += 1
    const { epoch, events } = this.log(contract_id)
    const after = Number(searchParams.get('after'))
    send(200, { epoch, head: events.length, events: events.slice(after, after + Number(searchParams.get('limit'))) })
  }
}
