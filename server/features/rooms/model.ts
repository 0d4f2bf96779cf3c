import { type Connection, type mongo, Schema } from 'mongoose'
import type { ContractState, Permissions } from '../../../shared/protocol/index.ts'

/** A contract as lists show it. The log is the truth; a reactor keeps this row in step with it. */
export interface ContractDocument {
  _id: string
  title: string
  state: ContractState
  requester_id: string
  provider_id: string
  permissions: Permissions
  value?: { amount_micros: string; currency: string }
  opened_at: Date
  /** When something was last done in the room, to a few seconds. */
  last_activity_at?: Date
  ended_at?: Date
  outcome?: string
}

/** How far a principal has read, as it told by `cursor.set`. */
export interface CursorDocument {
  _id: string
  contract_id: string
  principal_id: string
  seq: number
}

/** The words of a piece of a room's log, each between line ends. */
export interface WordBlockDocument {
  _id: string
  after: number
  last: number
  /** Of the last event: what ties the block to its log. */
  chain: string
  words: string
}

export function createRoomModels(connection: Connection) {
  const options = { strict: false, versionKey: false, autoIndex: false, autoCreate: false } as const
  const contracts = connection.model('Contract', new Schema({ _id: String }, options), 'contracts').collection
  const cursors = connection.model('Cursor', new Schema({ _id: String }, options), 'cursors').collection
  const wordBlocks = connection.model('WordBlock', new Schema({ _id: String }, options), 'word_blocks').collection
  return {
    contracts: contracts as unknown as mongo.Collection<ContractDocument>,
    cursors: cursors as unknown as mongo.Collection<CursorDocument>,
    wordBlocks: wordBlocks as unknown as mongo.Collection<WordBlockDocument>,
  }
}

export type RoomModels = ReturnType<typeof createRoomModels>
