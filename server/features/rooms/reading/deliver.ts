import type { CloseCode } from '../../../../shared/protocol/index.ts'
import { closingOf } from '../../../core/access/closing-of.ts'
import { contractOf } from '../../../pipeline/log/record.ts'
import type { Peers } from '../../../pipeline/peers.ts'
import { audienceOf, type Broadcast, type TellEvents } from '../../../pipeline/session.ts'
import type { EventText, StoredEvent } from '../../../pipeline/store/event-store.ts'
import { keyEndOf, piecesByKeyEnd } from './key-end.ts'
import { redactedText } from './redact.ts'

export interface DeliverDeps {
  /** To the connections of this node: the others deliver what they fold themselves. */
  tellEventsHere: TellEvents
  /** Ends the connections of this node that a credential opened. */
  cutHere(end: { principal_id: string; credential_id: string; code: CloseCode; reason: string }): void
  broadcast: Broadcast
  peers: Peers
  epoch: string
}

/** Tells a room what was committed, as each of its audiences may see it. Called in the order of the log, once for each event. */
export function createDeliver({ tellEventsHere, cutHere, broadcast, peers, epoch }: DeliverDeps) {
  return function deliver(stream: string, news: readonly StoredEvent[]): void {
    const contract_id = contractOf(stream)
    for (const piece of piecesByKeyEnd(news)) {
      tellHere(contract_id, piece)
      const last = piece.at(-1)
      const end = last && keyEndOf(last)
      // In the same step: that event is the last one that they get.
      if (end !== undefined) cutHere({ principal_id: end.agent_id, credential_id: end.key_id, ...closingOf(end.reason) })
    }
    const own = news.filter(({ mine }) => mine)
    if (own.length > 0) tellOthers(contract_id, own)
  }

  function tellHere(contract_id: string, news: readonly StoredEvent[]): void {
    const text = (seesNotes: boolean) => redactedText({ contract_id, epoch }, news, seesNotes)
    const [readers, others] = [audienceOf.events(contract_id, true), audienceOf.events(contract_id, false)]
    // What all may see is one text for all.
    if (news.every(({ audience }) => audience === 'all')) tellEventsHere([readers, others], text(true))
    else {
      tellEventsHere([readers], text(true))
      tellEventsHere([others], text(false))
    }
  }

  function tellOthers(contract_id: string, own: readonly StoredEvent[]): void {
    peers.tell(audienceOf.ephemeral(contract_id), { kind: 'events', contract_id, events: own.map(textOf) })
    for (const { event } of own) {
      if (event.type !== 'contract.opened') continue
      for (const id of [event.data.requester_id, event.data.provider_id])
        broadcast(audienceOf.principal(id), 'contract.opened', { contract_id })
    }
  }
}

function textOf({ seq, chain, json, digest, audience, hash, refused }: StoredEvent): EventText {
  return { seq, chain, json, digest, audience, hash, ...(refused ? { refused } : {}) }
}
