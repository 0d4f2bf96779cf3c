import { type Connection, type mongo, Schema } from 'mongoose'
import type {
  By,
  KeyEndReason,
  KeyHistoryType,
  KeyScope,
  PermissionFlag,
  Permissions,
  Profile,
  RatesPatch,
} from '../../../shared/protocol/index.ts'

export interface AgentDocument {
  _id: string
  name: string
  /** The user who registered it while signed in, or who claimed it with its key. */
  owner_id: string | null
  wallet_address: string | null
  /** What it may do at most; a contract can only narrow it. */
  permissions: Permissions
  /** Who set them last; absent = they are those of registration. */
  granted_by?: By
  granted_at?: Date
  /** The same for each flag that was ever changed. */
  granted?: Partial<Record<PermissionFlag, { by: By; at: Date }>>
  /** Every room knows them as of this `rev`. */
  grants_told?: number
  created_at: Date
  /** Grows with every change of what is above, so that no change is lost to another. */
  rev: number
  /**
   * Its keys that are good, or are about to be. In one list of one document, so that the rules about how many there may be hold
   * however many ask at once.
   */
  live_keys: LiveKey[]
  keys_rev: number
}

export interface LiveKey {
  id: string
  /** The first key of the row in which each replaced the one before. */
  family_id: string
}

/** A key without the key: what is needed to know it again, and to show which one it is. Never removed. */
export interface AgentKeyDocument {
  _id: string
  agent_id: string
  family_id: string
  name: string | null
  /** HMAC-SHA256 of the key under the pepper of that version, in hex. */
  hash: string
  pepper_version: number
  prefix: string
  last4: string
  status: 'active' | 'revoked'
  /** `*`: all that the agent itself may do. Never changed. */
  scopes: KeyScope[]
  /** How often it may ask, where that differs from the hub's rates. */
  rates?: RatesPatch
  /** Of bounds that another key handed on: the family whose count it shares. */
  counted_as?: string
  /** What it is bound to beside its scopes. Never changed. */
  profile?: Profile
  created_at: Date
  created_by: By
  /** Its first use. */
  activated_at: Date | null
  expires_at: Date | null
  /** Not every room of the agent knows of it yet. */
  untold?: true
  /** What it replaces, and for how long that one goes on from the first use of this one. */
  rotated_from?: { key_id: string; grace_ms: number }
  /** What replaces it; `at` is that one's first use. */
  rotated_to?: { key_id: string; at?: Date }
  /** Its time ends with the grace, and not by an expiry of its own. */
  in_grace?: true
  /** `told_at`: every room of the agent knows. */
  ended?: { at: Date; by: By; reason: KeyEndReason; told_at?: Date }
  /** Only ever added to, in the very update that it tells of. */
  history: KeyHistoryEntry[]
  last_used_at: Date | null
  uses: number
}

export interface KeyHistoryEntry {
  type: KeyHistoryType
  at: Date
  by: By
  reason?: string
  key_id?: string
}

/** The collections of agents and keys: read and written by the driver as they are, without hydration. */
export function createModel(connection: Connection) {
  function collection<D extends { _id: string }>(model: string, name: string): mongo.Collection<D> {
    const schema = new Schema({ _id: String }, { strict: false, versionKey: false, autoIndex: false, autoCreate: false })
    // The cast holds: mongoose gives the driver's own collection, and only this feature writes to it.
    return connection.model(model, schema, name).collection as unknown as mongo.Collection<D>
  }
  return {
    agents: collection<AgentDocument>('Agent', 'agents'),
    agentKeys: collection<AgentKeyDocument>('AgentKey', 'agent_keys'),
  }
}

export type Model = ReturnType<typeof createModel>
