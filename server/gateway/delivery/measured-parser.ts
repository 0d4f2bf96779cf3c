import * as parser from 'socket.io-parser'

/** Where everything happens. */
export const NAMESPACE = '/rooms'

/** What of a packet its receiver is not told otherwise. */
export interface Measured {
  /** On the wire. */
  bytes: number
  /** What its answer goes under; undefined when it asks for none. */
  id: number | undefined
}

/** On the array of a packet's arguments itself: a WeakMap would be looked through by every collection of garbage. */
const MEASURED = Symbol('measured')
type MeasuredArgs = object & { [MEASURED]?: Measured }
const nothing: Measured = { bytes: 0, id: undefined }

/** A packet by the array of its arguments, as a middleware of the socket sees it. */
export function measuredOf(args: object): Measured {
  return (args as MeasuredArgs)[MEASURED] ?? nothing
}

/** What a connection may say of itself, and how often it may try. */
const LONGEST_CONNECT = 131_072
const MOST_CONNECTS = 20
const CONNECT = '0'
/** Events and acknowledgements, with attachments or without, of another namespace than the hub's. */
const ELSEWHERE = new RegExp(`^[2356](?!(?:\\d+-)?${NAMESPACE},)`)

class MeasuredDecoder extends parser.Decoder {
  #bytes = 0
  #connects = 0
  readonly #isOpen: boolean

  /** `isOpen`: other namespaces have something to hear, too. */
  constructor({ isOpen = false } = {}) {
    super()
    this.#isOpen = isOpen
    // The first listener, so that the packet is known before anyone acts on it.
    this.on('decoded', this.note)
  }

  /** Called on the decoder by its own list of listeners, so that one function serves every connection. */
  note({ data, id }: parser.Packet): void {
    if (Array.isArray(data)) (data as MeasuredArgs)[MEASURED] = { bytes: this.#bytes, id }
    this.#bytes = 0
  }

  /** Throws to end the connection. */
  override add(piece: unknown): void {
    if (typeof piece === 'string' && !this.#isOpen) {
      // Nobody listens there, and no credentials are asked for: what is sent must not cost more than a look at its first bytes.
      if (ELSEWHERE.test(piece)) return
      const isConnect = piece.startsWith(CONNECT)
      if (isConnect && (piece.length > LONGEST_CONNECT || ++this.#connects > MOST_CONNECTS)) throw new Error('too much to connect with')
    }
    this.#bytes += typeof piece === 'string' ? Buffer.byteLength(piece) : ArrayBuffer.isView(piece) ? piece.byteLength : 0
    super.add(piece)
  }
}

class OpenDecoder extends MeasuredDecoder {
  constructor() {
    super({ isOpen: true })
  }
}

/** Socket.IO's own parser, which in addition knows of each packet how large it was, and its id; and reads what is sent to `/rooms` alone. */
export const measuredParser = { ...parser, Decoder: MeasuredDecoder, Encoder: parser.Encoder }

/** The same for a hub whose other namespaces answer. */
export const openParser = { ...parser, Decoder: OpenDecoder, Encoder: parser.Encoder }
