import { LRUCache } from 'lru-cache'
import { ParleyError } from '../../../../shared/protocol/index.ts'
import { contractOf } from '../../../pipeline/log/record.ts'
import type { EventStore } from '../../../pipeline/store/event-store.ts'

/** Which contract a call is of. Never changes, so it may be remembered. Refuses NOT_FOUND, in the very words of a foreign contract. */
export function createContractOfCall(store: EventStore) {
  const known = new LRUCache<string, string>({ max: 10_000 })

  /** Of a call that this node brings to its agent, which will speak of it in a moment. */
  const noteCall = (call_id: string, contract_id: string): void => void known.set(call_id, contract_id)

  async function contractOfCall(call_id: string): Promise<string> {
    const near = known.get(call_id)
    if (near !== undefined) return near
    const stream = await store.streamOfCall(call_id)
    if (stream === undefined) throw new ParleyError('NOT_FOUND')
    const contract_id = contractOf(stream)
    known.set(call_id, contract_id)
    return contract_id
  }

  return { contractOfCall, noteCall }
}
