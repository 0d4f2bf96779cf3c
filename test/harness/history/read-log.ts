import type { WireEvent } from '../../../shared/protocol/index.ts'
import { api } from '../people.ts'

/** A contract's whole log, page by page, as the operator sees it. */
export async function readLog(hub: { url: string; operator_token: string }, contract_id: string): Promise<WireEvent[]> {
  const log: WireEvent[] = []
  for (;;) {
    const path = `/contracts/${contract_id}/events?after=${log.at(-1)?.seq ?? 0}&limit=200`
    const { status, body } = await api<{ events: WireEvent[] }>(hub, 'GET', path, { bearer: hub.operator_token })
    if (status !== 200) throw new Error(`the log answered ${status}`)
    log.push(...body.events)
    // A page that is not full is not the last one: its bytes are bounded, too.
    if (body.events.length === 0) return log
  }
}
