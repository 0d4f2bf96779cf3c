import { type Connection, type mongo, Schema } from 'mongoose'
import type { By, UserRole, UserStatus } from '../../../shared/protocol/index.ts'

export interface UserDocument {
  /** UUID version 7, as every `_id` here that is no hash. */
  _id: string
  /** In lower case: unique whatever the spelling. */
  email: string
  name: string
  roles: UserRole[]
  status: UserStatus
  created_at: Date
  /** bcrypt. Absent: this user signs in by link only. */
  password_hash?: string
  /**
   * Counts up when all that was given out ends: the user's sessions, and links that would open one. Each holds the number that it was made
   * under, so one update of this document ends them all, and what was under way meanwhile is born ended.
   */
  sessions_version: number
  /** Somebody asked for a new password in this user's name, and nobody has set one since. */
  reset_asked_at?: Date
  /** The user that the hub made for itself: its operator. */
  built_in?: 'operator'
}

/** One sign-in, and all refresh tokens that followed from it. In one document, so that a rotation and its misuse cannot cross. */
export interface SessionDocument {
  _id: string
  user_id: string
  kind: 'browser' | 'token'
  /** Of the cookie's value, or of the one refresh token that is good now. */
  hash: string
  sessions_version: number
  /** What it was begun with, in a few words. */
  device: string
  created_at: Date
  last_used_at: Date
  expires_at: Date
  ended_at: Date | null
  end_reason?: 'signed_out' | 'reused' | 'too_many'
}

export type LinkKind = 'sign-in' | 'invitation' | 'password-reset'

export interface LinkDocument {
  /** Hash of the token in the link. */
  _id: string
  kind: LinkKind
  user_id: string
  sessions_version: number
  created_at: Date
  created_by: By
  expires_at: Date
  used_at: Date | null
}

/** Failed sign-ins of one subject in one window, and how long an account is at home in a network. */
export interface SignInCountDocument {
  /** Hash of the subject. */
  _id: string
  failures: number
  ends_at: Date
  trusted_until: Date | null
  expires_at: Date
}

/** The collections of users: read and written by the driver as they are, without hydration. */
export function createModel(connection: Connection) {
  function collection<D extends { _id: string }>(model: string, name: string): mongo.Collection<D> {
    const schema = new Schema({ _id: String }, { strict: false, versionKey: false, autoIndex: false, autoCreate: false })
    // The cast holds: mongoose gives the driver's own collection, and only this feature writes to it.
    return connection.model(model, schema, name).collection as unknown as mongo.Collection<D>
  }
  return {
    users: collection<UserDocument>('User', 'users'),
    sessions: collection<SessionDocument>('UserSession', 'user_sessions'),
    links: collection<LinkDocument>('OneTimeLink', 'one_time_links'),
    signInCounts: collection<SignInCountDocument>('SignInCount', 'sign_in_counts'),
  }
}

export type Model = ReturnType<typeof createModel>
