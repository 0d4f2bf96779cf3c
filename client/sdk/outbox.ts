import { backoff } from './link/backoff.ts'
import { type Clock, pause } from './link/clock.ts'
import { ownRefusal, RefusedError, toError } from './refused-error.ts'
import { sendable } from './sendable.ts'
import type { OutboxEntry, OutboxStorage } from './storage.ts'
import type { PendingFrame } from './types.ts'
import { uuid7 } from './uuid7.ts'

/**
 * A frame that the hub fails on, or never acknowledges while the connection lives, is given up after so many tries: it must not
 * block those behind it for ever. A hub that is full, limited or without its database is waited for without end.
 */
const GIVE_UP_AFTER = 8

export interface OutboxOptions {
  storage: OutboxStorage
  clock: Clock
  /** Sends one entry; rejects with a RefusedError. */
  send: (entry: OutboxEntry) => Promise<Record<string, unknown>>
  isLive: () => boolean
  onProblem: (problem: { during: string; error: Error; contract_id?: string }) => void
  /** The pending frames of the contract changed; `seq` when one was recorded there. */
  onChange: (contract_id: string) => void
}

interface Item {
  entry: OutboxEntry
  stored: Promise<void>
  tries: number
  strikes: number
  settle: { resolve: (ack: Record<string, unknown>) => void; reject: (error: RefusedError) => void }
}

interface Lane {
  items: Item[]
  running: boolean
  /** The connection became live while the lane was running. */
  woken: boolean
}

/**
 * Keeps every keyed frame until its acknowledgement and sends it as often as that takes, always with the same key and payload, so
 * that the hub records it once. Within a contract the next frame leaves only when the one before is settled: order survives
 * refusals and lost connections.
 */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #lanes = new Map<string, Lane>()
  #owner = ''
  #removing = Promise.resolve()
  #stopped: { reason: RefusedError; stored: Promise<unknown> } | undefined

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Takes up what an earlier process or page of the same principal left, and resolves to it. */
  async restore(owner: string): Promise<OutboxEntry[]> {
    this.#owner = owner
    const entries = await this.#guardStorage(async () => this.#options.storage.load(), [])
    const own = entries.filter((entry) => entry.owner === owner).sort((a, b) => (a.id < b.id ? -1 : 1))
    for (const entry of own) {
      this.#add(entry, Promise.resolve()).catch((thrown: unknown) => this.#report('outbox', thrown, entry.contract_id))
    }
    return own
  }

  /**
   * Resolves to the acknowledgement. Rejects when the hub refuses for good, at once when it never could take it, or with HUB_CLOSED (then it
   * stays in the storage).
   */
  give(given: Pick<OutboxEntry, 'contract_id' | 'frame' | 'payload'>): Promise<Record<string, unknown>> {
    if (this.#stopped) return Promise.reject(this.#stopped.reason)
    let entry: OutboxEntry
    try {
      const now = this.#options.clock.now()
      entry = { ...given, payload: sendable(given.payload), id: uuid7(now), owner: this.#owner, at: new Date(now).toISOString() }
    } catch (thrown) {
      return Promise.reject(thrown)
    }
    const stored = this.#guardStorage(async () => this.#options.storage.put(entry), undefined)
    return this.#add(entry, stored)
  }

  /** The connection is live: everything that waits goes out. */
  wake(): void {
    for (const lane of this.#lanes.values()) {
      lane.woken = true
      void this.#run(lane)
    }
  }

  pendingOf(contract_id: string): PendingFrame[] {
    const items = this.#lanes.get(contract_id)?.items ?? []
    return items.map(({ entry, tries }) => ({ key: keyOf(entry), frame: entry.frame, payload: entry.payload, at: entry.at, tries }))
  }

  /** Sends nothing more; whoever waits is told why. Resolves when the storage has all that is left. */
  async stop(reason: RefusedError): Promise<void> {
    if (this.#stopped === undefined) {
      const left = [...this.#lanes.values()].flatMap((lane) => lane.items.splice(0))
      this.#lanes.clear()
      this.#stopped = { reason, stored: Promise.all([...left.map((item) => item.stored), this.#removing]) }
      for (const item of left) item.settle.reject(reason)
    }
    await this.#stopped.stored
  }

  #add(entry: OutboxEntry, stored: Promise<void>): Promise<Record<string, unknown>> {
    const lane = this.#lanes.get(entry.contract_id) ?? { items: [], running: false, woken: false }
    this.#lanes.set(entry.contract_id, lane)
    const settled = new Promise<Record<string, unknown>>((resolve, reject) => {
      lane.items.push({ entry, stored, tries: 0, strikes: 0, settle: { resolve, reject } })
    })
    this.#options.onChange(entry.contract_id)
    void this.#run(lane)
    return settled
  }

  async #run(lane: Lane): Promise<void> {
    if (lane.running) return
    lane.running = true
    do {
      lane.woken = false
      let goesOn = true
      for (let item = lane.items[0]; goesOn && item !== undefined && this.#mayRun(); item = lane.items[0]) {
        goesOn = await this.#try(lane, item)
      }
    } while (lane.woken)
    lane.running = false
  }

  #mayRun(): boolean {
    return this.#stopped === undefined && this.#options.isLive()
  }

  /** Resolves to false when the lane has to wait for the next live connection. */
  async #try(lane: Lane, item: Item): Promise<boolean> {
    await item.stored
    item.tries += 1
    try {
      const ack = await this.#options.send(item.entry)
      this.#settle(lane, item, () => item.settle.resolve(ack))
      return true
    } catch (thrown) {
      const error = thrown instanceof RefusedError ? thrown : ownRefusal('ANSWER_INVALID', toError(thrown).message, { cause: thrown })
      // The hub is about to close for new credentials; what was written under the old ones is not void.
      if (error.code === 'NOT_CONNECTED' || error.code === 'UNAUTHENTICATED') return false
      if (isStrike(error)) item.strikes += 1
      if (error.retry !== 'later' || item.strikes >= GIVE_UP_AFTER) {
        this.#settle(lane, item, () => item.settle.reject(error))
        return true
      }
      this.#options.onChange(item.entry.contract_id)
      const { clock } = this.#options
      await pause(clock, backoff({ attempt: item.tries, random: clock.random(), retry_after_ms: error.retry_after_ms }))
      return true
    }
  }

  #settle(lane: Lane, item: Item, tell: () => void): void {
    // After a stop it is no longer there, yet its acknowledgement may still come.
    if (lane.items[0] === item) lane.items.shift()
    const { id, contract_id } = item.entry
    this.#removing = this.#guardStorage(async () => this.#options.storage.remove(id), undefined)
    tell()
    this.#options.onChange(contract_id)
  }

  /** A storage that fails costs the safety net, not the frame. */
  async #guardStorage<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await work()
    } catch (thrown) {
      this.#report('storage', thrown)
      return otherwise
    }
  }

  #report(during: string, thrown: unknown, contract_id?: string): void {
    this.#options.onProblem({ during, error: toError(thrown), ...(contract_id === undefined ? {} : { contract_id }) })
  }
}

function isStrike(error: RefusedError): boolean {
  return error.code === 'INTERNAL' || error.code === 'NO_ANSWER' || error.code === 'ANSWER_INVALID'
}

export function keyOf({ id, payload }: OutboxEntry): string {
  return typeof payload.key === 'string' ? payload.key : id
}
