import { type RefusedError, toError } from '../refused-error.ts'
import type { Problem, Room, RoomOptions, RoomsOptions } from '../types.ts'

export interface RoomFeedOptions {
  room: (contract_id: string, options: RoomOptions) => Promise<Room>
  onProblem: (problem: Problem) => void
  /** One more contract is known. */
  onContract: (contract: { contract_id: string }) => void
}

/** The contracts of an agent as they become known, each once for every reader. */
export class RoomFeed {
  readonly #options: RoomFeedOptions
  /** In order; `isNew` when it was opened while this process was there to see it. */
  readonly #contracts = new Map<string, { isNew: boolean }>()
  #isWelcomed = false
  #ended: { fault: RefusedError | undefined } | undefined
  #waiting: (() => void)[] = []

  constructor(options: RoomFeedOptions) {
    this.#options = options
  }

  /** All that are known by now. */
  known(): { contract_id: string }[] {
    return [...this.#contracts.keys()].map((contract_id) => ({ contract_id }))
  }

  onWelcome(contract_ids: readonly string[]): void {
    // What a later welcome adds was opened while the connection was away.
    for (const contract_id of contract_ids) this.#add(contract_id, this.#isWelcomed)
    this.#isWelcomed = true
  }

  onOpened(contract_id: string): void {
    this.#add(contract_id, true)
  }

  end(fault: RefusedError | undefined): void {
    this.#ended ??= { fault }
    this.#wake()
  }

  async *rooms({ since }: RoomsOptions): AsyncGenerator<Room, void, void> {
    const seen = new Set<string>()
    while (this.#ended === undefined) {
      const next = [...this.#contracts].find(([contract_id]) => !seen.has(contract_id))
      if (next === undefined) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve))
        continue
      }
      const [contract_id, { isNew }] = next
      seen.add(contract_id)
      const from = isNew ? 0 : since?.(contract_id)
      const room = await this.#join(contract_id, from === undefined ? {} : { since: from })
      if (room) yield room
    }
    if (this.#ended.fault) throw this.#ended.fault
  }

  async #join(contract_id: string, options: RoomOptions): Promise<Room | undefined> {
    try {
      return await this.#options.room(contract_id, options)
    } catch (thrown) {
      // One room that is closed to the agent must not keep it from the others.
      if (this.#ended === undefined) this.#options.onProblem({ during: 'room', error: toError(thrown), contract_id })
      return undefined
    }
  }

  #add(contract_id: string, isNew: boolean): void {
    if (this.#contracts.has(contract_id)) return
    this.#contracts.set(contract_id, { isNew })
    this.#options.onContract({ contract_id })
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}
