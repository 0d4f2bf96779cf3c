import { createHistory, type History } from '../harness/history/history.ts'

/** A history that also looks at the clock. */
export interface Observed extends History {
  /** Resolves when every one of them had a frame acknowledged. */
  busy(writers: readonly string[]): Promise<void>
  recovery(writers: readonly string[]): Promise<Recovery>
  /** Those of the readers that were not told everything up to the heads, each with what it lacks. */
  behind(heads: ReadonlyMap<string, number>, readers: readonly string[]): { reader: string; events: number }[]
}

/** In milliseconds from the moment at which it was asked for. */
export interface Recovery {
  /** Until a frame was acknowledged that was made after that moment. */
  first_ms: number
  /** Until each of the writers had such a frame acknowledged, and every reader had been told all that was acknowledged by then. */
  all_ms: number
  /** Who was well last. */
  last: string
}

interface Wait {
  since: number
  writers: readonly string[]
  served: Set<string>
  first_ms: number
  last: string
  /** What had been acknowledged when the last writer was served. */
  heads?: Map<string, number>
  resolve(recovery: Recovery): void
}

interface Reader {
  client: string
  contract_id: string
  place: number
}

/** One for each seed. */
export function createObserved(): Observed {
  const history = createHistory()
  const made = new Map<string, number>()
  const heads = new Map<string, number>()
  const readers = new Map<string, Reader>()
  const waits = new Set<Wait>()
  const nameOf = (contract_id: string, by: string, key: string) => `${contract_id} ${by} ${key}`

  function look(): void {
    for (const wait of waits) {
      const unserved = wait.writers.find((writer) => !wait.served.has(writer))
      if (unserved === undefined) wait.heads ??= new Map(heads)
      const [late] = unserved === undefined ? lacking(wait.heads ?? heads).map(({ reader }) => reader) : [unserved]
      if (late !== undefined) wait.last = late
      else {
        waits.delete(wait)
        const { first_ms, last, since } = wait
        wait.resolve({ first_ms, last, all_ms: performance.now() - since })
      }
    }
  }

  function lacking(up_to: ReadonlyMap<string, number>, clients?: readonly string[]) {
    return [...readers.values()]
      .filter(({ client }) => clients?.includes(client) ?? true)
      .map(({ client, contract_id, place }) => ({ reader: `${client} in ${contract_id}`, events: (up_to.get(contract_id) ?? 0) - place }))
      .filter(({ events }) => events > 0)
  }

  function serve(wait: Wait, writer: string): void {
    if (wait.served.size === 0) wait.first_ms = performance.now() - wait.since
    wait.served.add(writer)
  }

  function recovery(writers: readonly string[]): Promise<Recovery> {
    return new Promise((resolve) => {
      waits.add({ since: performance.now(), writers, served: new Set(), first_ms: 0, last: '', resolve })
      look()
    })
  }

  return {
    ...history,
    sent: (contract_id, by, frame) => {
      const name = nameOf(contract_id, by, frame.key)
      if (!made.has(name)) made.set(name, performance.now())
      history.sent(contract_id, by, frame)
    },
    acked: (contract_id, by, ack) => {
      history.acked(contract_id, by, ack)
      heads.set(contract_id, Math.max(heads.get(contract_id) ?? 0, ack.seq))
      const at = made.get(nameOf(contract_id, by, ack.key)) ?? 0
      for (const wait of waits) if (at >= wait.since) serve(wait, by)
      look()
    },
    watch: (client, contract_id, place) => {
      const see = history.watch(client, contract_id, place)
      const name = `${client} ${contract_id}`
      const reader = readers.get(name) ?? { client, contract_id, place: place ?? 0 }
      readers.set(name, reader)
      return (events) => {
        see(events)
        reader.place = Math.max(reader.place, events.at(-1)?.seq ?? 0)
        look()
      }
    },
    busy: async (writers) => void (await recovery(writers)),
    recovery,
    behind: lacking,
  }
}
