/** A frame with its key, on its way into the log. */
export interface OutboxEntry {
  /** UUIDv7: entries sort by it in the order in which they were given. */
  id: string
  /** Whose it is (`<origin> <principal id>`): another user of the same browser must not send it. */
  owner: string
  contract_id: string
  frame: 'message.post' | 'tool.call' | 'tool.cancel' | 'contract.end' | 'agent.tool.result'
  payload: Record<string, unknown>
  /** When it was given, ISO 8601. */
  at: string
}

/**
 * Where entries wait for their acknowledgement. Entries are put and removed one by one, never as a list, so that two tabs which
 * share a storage do not overwrite each other. An entry that both send is recorded once: its key is the same.
 */
export interface OutboxStorage {
  load(): OutboxEntry[] | Promise<OutboxEntry[]>
  /** Resolves when the entry would survive a crash. */
  put(entry: OutboxEntry): void | Promise<void>
  remove(id: string): void | Promise<void>
}

/** Keeps entries as long as the process lives. */
export function memoryStorage(): OutboxStorage {
  const entries = new Map<string, OutboxEntry>()
  return {
    load: () => [...entries.values()],
    put: (entry) => void entries.set(entry.id, entry),
    remove: (id) => void entries.delete(id),
  }
}

const PREFIX = 'parley.outbox.'

/** Keeps entries in `localStorage`, or in another `Storage`: they survive a reload of the page. */
export function browserStorage(store: Storage = localStorage): OutboxStorage {
  return {
    load: () =>
      Object.keys(store)
        .filter((name) => name.startsWith(PREFIX))
        .flatMap((name) => parseEntry(store.getItem(name))),
    put: (entry) => store.setItem(PREFIX + entry.id, JSON.stringify(entry)),
    remove: (id) => store.removeItem(PREFIX + id),
  }
}

/** The entry of a stored text. What is not one (another program's, or half written) is passed over. */
export function parseEntry(text: string | null): OutboxEntry[] {
  try {
    const value: unknown = JSON.parse(text ?? 'null')
    return isEntry(value) ? [value] : []
  } catch {
    // Not JSON, so not ours.
    return []
  }
}

export function isEntry(value: unknown): value is OutboxEntry {
  if (typeof value !== 'object' || value === null) return false
  const { id, owner, contract_id, frame, payload, at } = value as Partial<Record<keyof OutboxEntry, unknown>>
  const texts = [id, owner, contract_id, frame, at].every((text) => typeof text === 'string')
  return texts && typeof payload === 'object' && payload !== null
}
