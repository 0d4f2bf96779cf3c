import type { SystemFrameType } from '../core/access/authorize.ts'
import { closingOf } from '../core/access/closing-of.ts'
import type { Clock } from '../core/clock.ts'
import { createCredentialWatch, createKeyEnds, type EndedKey, endKey, tellIssue } from '../features/credentials/index.ts'
import type { GrantsTeller, Identity } from '../features/identity/index.ts'
import { grantAgent } from '../features/permissions/index.ts'
import type { CredentialCut } from '../gateway/socket/credential-cut.ts'
import type { Background } from '../pipeline/background/background.ts'
import type { Timers } from '../pipeline/background/timers.ts'
import type { Payload, RecordedCommand } from '../pipeline/command.ts'
import type { Log } from '../pipeline/log/log.ts'
import { contractOf, streamOf } from '../pipeline/log/record.ts'
import type { Peers } from '../pipeline/peers.ts'
import { audienceOf } from '../pipeline/session.ts'
import type { StoredEvent } from '../pipeline/store/event-store.ts'

export interface ComposeCredentialsDeps {
  identity: Identity
  cut: CredentialCut
  /** Resolves when what a principal has begun by HTTP is done. */
  settledWrites(principal_id: string): Promise<void>
  clock: Clock
  log: Log
  timers: Timers
  peers: Peers
  background: Background
  contracts: { openOf(principal_id: string): Promise<string[]>; allOpenOf(principal_id: string): Promise<string[]> }
  asSystem<T extends SystemFrameType, F>(command: RecordedCommand<T, F>, frame: Payload<T>): Promise<void>
}

/** A room that was opened so long before or after a key ended may have been missed when the rooms were told. */
const MISSED_MS = 60_000

/** What holds once a credential has ended: in the rooms, and in the connections of every node. */
export function composeCredentials(deps: ComposeCredentialsDeps) {
  const { identity, cut, clock, log, timers, peers, background, contracts, asSystem } = deps
  const tellPeers = (principal_id: string) => peers.tell(audienceOf.principal(principal_id), { kind: 'credentials', principal_id })
  const watch = createCredentialWatch({
    ...{ cutHere: cut.cutHere, sessionsHere: cut.sessionsHere, hear: cut.hear, tellPeers, lookUp: identity.lookUp, background },
    ...{ decided: log.decided, settledWrites: deps.settledWrites },
    refreshRooms: async (principal_id) => {
      const kept = (await contracts.openOf(principal_id)).map(streamOf).filter((stream) => log.cached(stream) !== undefined)
      await Promise.all(kept.map(log.refresh))
    },
  })
  const record = (contract_id: string, key: EndedKey) => asSystem(endKey, { contract_id, ...key })
  const ends = createKeyEnds({
    ...{ timers, openContracts: contracts.allOpenOf, record, settledWrites: deps.settledWrites },
    recordNew: (contract_id, key) => asSystem(tellIssue, { contract_id, ...key }),
    cutHere: ({ key_id, agent_id, reason }) => cut.cutHere({ principal_id: agent_id, credential_id: key_id, ...closingOf(reason) }),
    tellPeers,
  })
  const grants: GrantsTeller = {
    lookAt: (agent_id, due_ms) => timers.arm({ id: `grants:${agent_id}`, due_ms, agent_id, frame: { type: 'grants.settle', agent_id } }),
    settled: (agent_id) => timers.disarm([`grants:${agent_id}`]),
    async tell(news) {
      for (const contract_id of await contracts.allOpenOf(news.agent_id)) await asSystem(grantAgent, { contract_id, ...news })
    },
  }
  identity.bind({ ends, grants, recheck: watch.recheck })

  /** Behind the contract's row, so that either who ends a key finds the row, or this finds the key. */
  async function tellMissed(stream: string, { event }: StoredEvent): Promise<void> {
    if (event.type !== 'contract.opened') return
    const parties = [event.data.requester_id, event.data.provider_id]
    const missed = await identity.keys.endedSince(parties, Math.min(Date.parse(event.at), clock.now()) - MISSED_MS)
    for (const key of missed) await record(contractOf(stream), key)
    const agent_id = event.data.provider_id
    const own = await identity.grants.of(agent_id)
    const isTold = own === undefined || (event.data.grants_version ?? -1) >= own.version
    if (!isTold) await asSystem(grantAgent, { contract_id: contractOf(stream), agent_id, ...own })
  }

  return { watch, tellMissed }
}
