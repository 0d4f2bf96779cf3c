import { type Connection, type mongo, Schema } from 'mongoose'
import type { By, KeyScope, Permissions, RatesPatch } from '../../../shared/protocol/index.ts'

export interface AgentDocument {
  _id: string
  name: string
  /** The user who registered it while signed in. */
  owner_id: string | null
  wallet_address: string | null
  /** What it may do at most; a contract can only narrow it. */
  permissions: Permissions
  created_at: Date
}

/** A key without the key: what is needed to know it again, and to show which one it is. */
export interface AgentKeyDocument {
  _id: string
  agent_id: string
  /** HMAC-SHA256 of the key under the pepper of that version, in hex. */
  hash: string
  pepper_version: number
  prefix: string
  last4: string
  status: 'active' | 'revoked'
  /** `*`: all that the agent itself may do. */
  scopes: KeyScope[]
  /** How often it may ask, where that differs from the hub's rates. */
  rates?: RatesPatch
  created_at: Date
  created_by: By
  expires_at: Date | null
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
