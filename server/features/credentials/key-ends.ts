import type { KeyEndReason, ProfileRule } from '../../../shared/protocol/index.ts'

export interface EndedKey {
  key_id: string
  agent_id: string
  reason: KeyEndReason
}

export interface NewKey {
  key_id: string
  agent_id: string
  /** The fields of its profile that bind it. */
  bounds: ProfileRule[]
}

export interface KeyEndsDeps {
  timers: {
    arm(timer: { id: string; due_ms: number; agent_id: string; frame: { type: 'key.settle'; key_id: string } }): Promise<void>
    disarm(ids: string[]): Promise<void>
  }
  /** Every open contract of a party, however many. */
  openContracts(principal_id: string): Promise<string[]>
  /** Records the end in the contract's room, where it is not so already. */
  record(contract_id: string, key: EndedKey): Promise<void>
  /** Records the new key in the contract's room, where it is not so already. */
  recordNew(contract_id: string, key: NewKey): Promise<void>
  /** Ends the key's connections on this node. */
  cutHere(key: EndedKey): void
  /** Resolves when what the agent has begun by HTTP on this node is done. */
  settledWrites(agent_id: string): Promise<void>
  /** Has the nodes where the agent is connected look at its credentials. */
  tellPeers(agent_id: string): void
}

const MOST_AT_ONCE = 200

/**
 * How the end of a key comes true: as an event in every open contract of its agent, and in its connections. A timer is set before the
 * key ends, so whatever becomes of this node, one of them finishes it.
 */
export function createKeyEnds({ timers, openContracts, record, recordNew, cutHere, settledWrites, tellPeers }: KeyEndsDeps) {
  const timerOf = (key_id: string) => `key:${key_id}`

  async function inRoomsOf(agent_id: string, tellRoom: (contract_id: string) => Promise<void>): Promise<void> {
    const contracts = await openContracts(agent_id)
    for (let at = 0; at < contracts.length; at += MOST_AT_ONCE) await Promise.all(contracts.slice(at, at + MOST_AT_ONCE).map(tellRoom))
  }

  return {
    /** Looks at the key then, by `settle`. */
    lookAt: ({ key_id, agent_id }: Omit<EndedKey, 'reason'>, due_ms: number): Promise<void> =>
      timers.arm({ id: timerOf(key_id), due_ms, agent_id, frame: { type: 'key.settle', key_id } }),

    tellNew: (key: NewKey): Promise<void> => inRoomsOf(key.agent_id, (contract_id) => recordNew(contract_id, key)),

    async tell(key: EndedKey): Promise<void> {
      const written = settledWrites(key.agent_id)
      try {
        await inRoomsOf(key.agent_id, (contract_id) => record(contract_id, key))
        // Those that sit in no room.
        cutHere(key)
      } finally {
        await written
      }
    },

    /** The store says that all rooms know. */
    async settled({ key_id, agent_id }: Omit<EndedKey, 'reason'>): Promise<void> {
      tellPeers(agent_id)
      await timers.disarm([timerOf(key_id)])
    },
  }
}
