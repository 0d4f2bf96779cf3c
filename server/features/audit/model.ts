import { type Connection, type mongo, Schema } from 'mongoose'
import type { Checkpoint } from '../../../shared/protocol/index.ts'

/** A stream of the trail, and the hub that writes to it. */
export interface StreamDocument {
  /** From 1. */
  _id: number
  /** Names a hub as long as it lives: where it listens. */
  owner: string
  until: Date
}

/** A signed place of a log. Rows are added, and never changed or removed. */
export interface CheckpointDocument extends Checkpoint {
  /** `<stream>:<seq, 12 digits>`, as the event has. */
  _id: string
}

export function createAuditModels(connection: Connection) {
  const options = { strict: false, versionKey: false, autoIndex: false, autoCreate: false } as const
  const streams = connection.model('AuditStream', new Schema({ _id: Number }, options), 'audit_streams').collection
  const checkpoints = connection.model('Checkpoint', new Schema({ _id: String }, options), 'checkpoints').collection
  return {
    streams: streams as unknown as mongo.Collection<StreamDocument>,
    checkpoints: checkpoints as unknown as mongo.Collection<CheckpointDocument>,
  }
}

export type AuditModels = ReturnType<typeof createAuditModels>
