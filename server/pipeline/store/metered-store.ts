import type { LogMeter } from '../log/log-meter.ts'
import type { EventStore } from './event-store.ts'

/** The store, with each commit measured and each read of a log counted. */
export function meteredStore(store: EventStore, meter: LogMeter): EventStore {
  return {
    ...store,
    insert: async (documents) => {
      const began = performance.now()
      const outcome = await store.insert(documents)
      meter.commit({ ms: performance.now() - began, events: documents.length })
      if (outcome.state === 'duplicate') meter.conflict()
      return outcome
    },
    read: async (stream, range) => {
      const events = await store.read(stream, range)
      meter.read(stream.slice(0, stream.indexOf(':')), events.length)
      return events
    },
  }
}
