import type { StoredEvent } from '../../pipeline/event-store.ts'
import type { Peers } from '../../pipeline/peers.ts'
import { contractOf } from '../../pipeline/record.ts'
import { audienceOf, type Broadcast } from '../../pipeline/session.ts'
import { redact } from './redact.ts'

export interface DeliverDeps {
  /** To the connections of this node: the others deliver what they fold themselves. */
  broadcastHere: Broadcast
  broadcast: Broadcast
  peers: Peers
  epoch: string
}

/** Tells a room what was committed, as each of its audiences may see it. Called in the order of the log, once for each event. */
export function createDeliver({ broadcastHere, broadcast, peers, epoch }: DeliverDeps) {
  return function deliver(stream: string, news: readonly StoredEvent[]): void {
    tellHere(stream, news)
    const own = news.filter(({ mine }) => mine).map(({ mine: _mine, ...stored }) => stored)
    if (own.length > 0) tellOthers(contractOf(stream), own)
  }

  function tellHere(stream: string, news: readonly StoredEvent[]): void {
    const contract_id = contractOf(stream)
    const [first, last] = [news.at(0)?.event.seq, news.at(-1)?.event.seq]
    if (first === undefined || last === undefined) return
    for (const seesNotes of [true, false]) {
      const events = news.map((stored) => redact(stored, seesNotes))
      broadcastHere(audienceOf.events(contract_id, seesNotes), 'events', { contract_id, epoch, first, last, events })
    }
  }

  function tellOthers(contract_id: string, own: readonly StoredEvent[]): void {
    peers.tell(audienceOf.ephemeral(contract_id), { kind: 'events', contract_id, events: own })
    for (const { event } of own) {
      if (event.type !== 'contract.opened') continue
      for (const id of [event.data.requester_id, event.data.provider_id])
        broadcast(audienceOf.principal(id), 'contract.opened', { contract_id })
    }
  }
}
