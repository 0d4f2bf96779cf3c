import * as parser from 'socket.io-parser'

const sizes = new WeakMap<object, number>()

/** How many bytes a packet had on the wire, by the array of its arguments, as a middleware of the socket sees it. */
export function bytesOf(args: object): number {
  return sizes.get(args) ?? 0
}

class MeasuredDecoder extends parser.Decoder {
  #bytes = 0

  constructor() {
    super()
    // The first listener, so that the size is known before anyone acts on the packet.
    this.on('decoded', (packet: parser.Packet) => {
      if (Array.isArray(packet.data)) sizes.set(packet.data, this.#bytes)
      this.#bytes = 0
    })
  }

  override add(piece: unknown): void {
    this.#bytes += typeof piece === 'string' ? Buffer.byteLength(piece) : ArrayBuffer.isView(piece) ? piece.byteLength : 0
    super.add(piece)
  }
}

/** Socket.IO's own parser, which in addition knows how large each packet was. */
export const measuredParser = { ...parser, Decoder: MeasuredDecoder, Encoder: parser.Encoder }
