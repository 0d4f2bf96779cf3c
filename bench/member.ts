import { openWire, type Wire } from './wire.ts'

/** How one kind of server is spoken to. */
export type Dialect = 'parley' | 'socket.io' | 'ws'

export interface MemberSpec {
  dialect: Dialect
  port: number
  room: string
  auth?: object
  /** What a connection state recovery of Socket.IO needs. */
  recovery?: { pid: string; offset: string }
  /** The place behind which a room of Parley is joined. */
  since?: number
  /** `idle`: connected and no more. `agent`: says hello and has the tool `echo`. */
  role?: 'member' | 'idle' | 'agent'
}

const BLANK = 0x20

/** One connection of the load generator: it counts what it is told, and looks only at what must be known. */
export class Member {
  readonly spec: MemberSpec
  deliveries = 0
  /** Events that came twice, and places that were passed over. */
  twice = 0
  holes = 0
  last = 0
  pid = ''
  offset = ''
  wire: Wire | undefined
  ready_at = 0
  isClosed = false
  onCall: ((call: { call_id: string; id: number }) => void) | undefined
  onOutcome: ((text: string) => void) | undefined
  #next = 1
  readonly #acks = new Map<number, (answer: string) => void>()
  #ready: (() => void) | undefined
  readonly #nsp: string

  constructor(spec: MemberSpec) {
    this.spec = spec
    this.#nsp = spec.dialect === 'parley' ? '/rooms,' : ''
  }

  /** Resolves when the member is in its room and has what it missed. */
  async open(): Promise<void> {
    const { port, dialect, room } = this.spec
    const path = dialect === 'ws' ? '/' : '/socket.io/?EIO=4&transport=websocket'
    const ready = new Promise<void>((resolve) => {
      this.#ready = resolve
    })
    const onText = dialect === 'ws' ? (text: Buffer) => this.#onBare(text) : (text: Buffer) => this.#onEngine(text)
    const onOpen = (wire: Wire) => {
      this.wire = wire
    }
    await openWire({ port, path, onOpen, onText, onClose: () => this.#closed() })
    if (dialect === 'ws') {
      this.wire?.send(`j${room}`)
      this.#isReady()
    }
    await ready
  }

  cut(): void {
    this.wire?.cut()
  }

  /** Sends a frame whose acknowledgement comes back as its text. */
  ask(type: string, payload: string, onAnswer: (answer: string) => void): void {
    const id = this.#next++
    this.#acks.set(id, onAnswer)
    this.wire?.send(this.spec.dialect === 'ws' ? `p${id}:${payload}` : `42${this.#nsp}${id}["${type}",${payload}]`)
  }

  request(type: string, payload: object): Promise<string> {
    return new Promise((resolve) => this.ask(type, JSON.stringify(payload), resolve))
  }

  answer(id: number, output = ''): void {
    this.wire?.send(`43${this.#nsp}${id}[${output}]`)
  }

  #isReady(): void {
    this.ready_at = performance.now()
    this.#ready?.()
    this.#ready = undefined
  }

  #closed(): void {
    this.isClosed = true
  }

  #onBare(text: Buffer): void {
    if (text[0] === 0x6d) this.deliveries++
    else this.#acked(text.toString('latin1', 1))
  }

  #onEngine(text: Buffer): void {
    const [engine, packet] = [text[0], text[1] ?? BLANK]
    if (engine === 0x32) this.wire?.send('3')
    else if (engine === 0x30) this.#connect()
    else if (engine !== 0x34) return
    else if (packet === 0x32) this.#onEvent(text)
    else if (packet === 0x33) this.#acked(text.toString('latin1', 2 + this.#nsp.length))
    else if (packet === 0x30) this.#connected(text.toString('latin1', 2 + this.#nsp.length))
    else if (packet === 0x34) throw new Error(`the server refused the connection: ${text.toString()}`)
  }

  #connect(): void {
    const auth = this.spec.recovery ?? this.spec.auth
    this.wire?.send(`40${this.#nsp}${auth === undefined ? '' : JSON.stringify(auth)}`)
  }

  #connected(told: string): void {
    const { pid } = JSON.parse(told) as { pid?: string }
    const isRecovered = pid !== undefined && pid === this.spec.recovery?.pid
    this.pid = pid ?? ''
    const { role = 'member', room, since } = this.spec
    // What a recovery brings comes right behind the packet that said so.
    if (isRecovered || role === 'idle') this.#isReady()
    else if (role === 'agent') void (this.spec.dialect === 'parley' ? this.#sayHello() : this.#work(room))
    else this.#join(room, since)
  }

  #join(room: string, since: number | undefined): void {
    if (since !== undefined) this.last = since
    const payload = this.spec.dialect === 'parley' ? { contract_id: room, ...(since === undefined ? {} : { since }) } : { room }
    this.ask(this.spec.dialect === 'parley' ? 'room.join' : 'join', JSON.stringify(payload), (answer) => {
      if (answer.includes('"ok":false')) throw new Error(`the room was not joined: ${answer}`)
      if (this.spec.dialect === 'socket.io') this.#isReady()
    })
  }

  async #sayHello(): Promise<void> {
    await this.request('agent.hello', { protocol: 1, agent: { name: 'bench', version: '1.0.0' } })
    await this.request('agent.tools.register', {
      tools: [{ name: 'echo', description: 'Says it again', input_schema: { type: 'object' } }],
    })
    this.#isReady()
  }

  async #work(room: string): Promise<void> {
    await this.request('work', { room })
    this.#isReady()
  }

  #onEvent(text: Buffer): void {
    const begin = text.indexOf('["', 2) + 2
    switch (text[begin]) {
      // message: a bare server's delivery. With state recovery its last argument is the offset.
      case 0x6d:
        this.deliveries++
        if (this.pid !== '') this.offset = text.toString('latin1', text.lastIndexOf('"', text.length - 3) + 1, text.length - 2)
        return
      // events, and what else begins so: nothing.
      case 0x65:
        this.#onEvents(text, begin)
        return
      // chunk; closing and others are not counted. `core.tool.call` and a bare server's `call` are for the agent.
      case 0x63:
        if (text[begin + 1] === 0x68) this.deliveries++
        else if (this.onCall !== undefined) this.#called(text)
        return
      case 0x6c:
        if (text.toString('latin1', begin, begin + 5) === 'live"') this.#isReady()
        return
    }
  }

  #onEvents(text: Buffer, begin: number): void {
    const head = text.toString('latin1', begin, begin + 220)
    const first = numberAfter(head, '"first":')
    const last = numberAfter(head, '"last":')
    if (this.last !== 0) {
      if (first > this.last + 1) this.holes += first - this.last - 1
      if (first <= this.last) this.twice += this.last - first + 1
    }
    this.deliveries += last - first + 1
    this.last = last
    if (this.onOutcome !== undefined) this.onOutcome(text.toString())
  }

  #called(text: Buffer): void {
    const said = text.toString()
    const id = Number.parseInt(said.slice(2 + this.#nsp.length), 10)
    const call_id = /"call_id":"([^"]+)"/.exec(said)?.[1]
    if (call_id !== undefined) this.onCall?.({ call_id, id })
  }

  #acked(text: string): void {
    const id = Number.parseInt(text, 10)
    const answer = this.#acks.get(id)
    this.#acks.delete(id)
    answer?.(text)
  }
}

function numberAfter(text: string, name: string): number {
  return Number.parseInt(text.slice(text.indexOf(name) + name.length), 10)
}
