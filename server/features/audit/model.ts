import { type Connection, type mongo, Schema } from 'mongoose'

/** A stream of the trail, and the hub that writes to it. */
export interface StreamDocument {
  /** From 1. */
  _id: number
  /** Names a hub as long as it lives: where it listens. */
  owner: string
  until: Date
}

export function createAuditModels(connection: Connection) {
  const options = { strict: false, versionKey: false, autoIndex: false, autoCreate: false } as const
  const streams = connection.model('AuditStream', new Schema({ _id: Number }, options), 'audit_streams').collection
  return { streams: streams as unknown as mongo.Collection<StreamDocument> }
}

export type AuditModels = ReturnType<typeof createAuditModels>
