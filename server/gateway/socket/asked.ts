import type { Socket } from 'socket.io'

/** Socket.IO's own acknowledgements under way, and the number of the next one. Private there: where they are not as expected, nothing is forgotten. */
interface Innards {
  acks?: Map<number, unknown>
  nsp: { _ids?: number }
}

/** What was sent on one connection and is not acknowledged yet. It holds no payload: an agent may leave every call without an acknowledgement. */
export class Asked {
  readonly #waiting = new Map<string, (wasAnswered: boolean) => void>()

  /** Sends; false when it was settled, or the connection ended, before an acknowledgement came. */
  ask(socket: Socket, type: string, payload: unknown, about: string): Promise<boolean> {
    this.settle(about)
    const { promise, answer } = this.#wait(socket, about)
    socket.emit(type, payload, answer)
    return promise
  }

  /** It will not be acknowledged, or need not be any more. */
  settle(about: string): void {
    this.#waiting.get(about)?.(false)
  }

  end(): void {
    for (const settle of this.#waiting.values()) settle(false)
  }

  #wait(socket: Socket, about: string): { promise: Promise<boolean>; answer: () => void } {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const { acks, nsp } = socket as unknown as Innards
    const id = nsp._ids
    const answer = () => settle(true)
    const settle = (wasAnswered: boolean) => {
      this.#waiting.delete(about)
      if (id !== undefined && acks?.get(id) === answer) acks.delete(id)
      resolve(wasAnswered)
    }
    this.#waiting.set(about, settle)
    return { promise, answer }
  }
}
