import * as parser from 'socket.io-parser'

/** What of a packet its receiver is not told otherwise. */
export interface Measured {
  /** On the wire. */
  bytes: number
  /** What its answer goes under; undefined when it asks for none. */
  id: number | undefined
}

const packets = new WeakMap<object, Measured>()
const nothing: Measured = { bytes: 0, id: undefined }

/** A packet by the array of its arguments, as a middleware of the socket sees it. */
export function measuredOf(args: object): Measured {
  return packets.get(args) ?? nothing
}

class MeasuredDecoder extends parser.Decoder {
  #bytes = 0

  constructor() {
    super()
    // The first listener, so that the packet is known before anyone acts on it.
    this.on('decoded', ({ data, id }: parser.Packet) => {
      if (Array.isArray(data)) packets.set(data, { bytes: this.#bytes, id })
      this.#bytes = 0
    })
  }

  override add(piece: unknown): void {
    this.#bytes += typeof piece === 'string' ? Buffer.byteLength(piece) : ArrayBuffer.isView(piece) ? piece.byteLength : 0
    super.add(piece)
  }
}

/** Socket.IO's own parser, which in addition knows of each packet how large it was, and its id. */
export const measuredParser = { ...parser, Decoder: MeasuredDecoder, Encoder: parser.Encoder }
