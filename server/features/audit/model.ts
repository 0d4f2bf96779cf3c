import { type Connection, type mongo, Schema } from 'mongoose'
import type { Checkpoint } from '../../../shared/protocol/index.ts'

/** A stream of the trail, and the hub that writes to it. */
export interface StreamDocument {
  /** From 1. */
  _id: number
  /** Names a hub as long as it lives: where it listens. */
  owner: string
  /** Of the hub's operator token: other hubs see whether theirs is the same, and nobody what it is. */
  operator_mark?: string
  until: Date
}

/** A signed place of a log. Rows are added, and removed only where a later one stands for them. */
export interface CheckpointDocument extends Checkpoint {
  /** `<stream>:<seq, 12 digits>`, as the event has. */
  _id: string
  /** An export ended with it: it stays, so that the export can be held against the log at any later time. */
  closes_export?: true
}

/** The row as it was signed. */
export function checkpointOf({ _id, closes_export, ...checkpoint }: CheckpointDocument): Checkpoint {
  return checkpoint
}

/** How far a walk through a collection has come, and who is at it. */
export interface SweepDocument {
  /** The collection's name. */
  _id: string
  after?: string
  /** When the next walk begins. */
  next_at?: Date
  /** Grows with each claim: only the newest claimant may change the row. */
  fence: number
  claimed_until?: Date
}

export function createAuditModels(connection: Connection) {
  const options = { strict: false, versionKey: false, autoIndex: false, autoCreate: false } as const
  const streams = connection.model('AuditStream', new Schema({ _id: Number }, options), 'audit_streams').collection
  const checkpoints = connection.model('Checkpoint', new Schema({ _id: String }, options), 'checkpoints').collection
  const sweeps = connection.model('Sweep', new Schema({ _id: String }, options), 'sweeps').collection
  return {
    sweeps: sweeps as unknown as mongo.Collection<SweepDocument>,
    streams: streams as unknown as mongo.Collection<StreamDocument>,
    checkpoints: checkpoints as unknown as mongo.Collection<CheckpointDocument>,
  }
}

export type AuditModels = ReturnType<typeof createAuditModels>
