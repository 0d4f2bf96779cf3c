import { collectDefaultMetrics, Registry } from 'prom-client'

let kept: Registry | undefined

/**
 * What Node tells of this process, for all hubs in it: the library's watches of the event loop and of garbage collection never end. One for
 * each hub would keep that hub in memory, and a timer of 10 ms running, for as long as the process lives.
 */
export function processMetrics(): Registry {
  if (kept === undefined) {
    kept = new Registry()
    collectDefaultMetrics({ register: kept, prefix: 'parley_' })
  }
  return kept
}
