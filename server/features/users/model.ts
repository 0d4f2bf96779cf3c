import { type Connection, type mongo, Schema } from 'mongoose'
import type { By, UserRole } from '../../../shared/protocol/index.ts'

export interface UserDocument {
  /** UUID version 7, as every `_id` here that is no hash. */
  _id: string
  /** In lower case: unique whatever the spelling. */
  email: string
  name: string
  roles: UserRole[]
  created_at: Date
  /** bcrypt. Absent: this user signs in by link only. */
  password_hash?: string
  /** The user that the hub made for itself: its operator. */
  built_in?: 'operator'
}

/** One sign-in by password and all refresh tokens that followed from it. In one document, so that a rotation and its misuse cannot cross. */
export interface TokenFamilyDocument {
  _id: string
  user_id: string
  /** Of the one refresh token that is good now. */
  hash: string
  generation: number
  created_at: Date
  expires_at: Date
  ended_at: Date | null
  end_reason?: 'reused'
}

export interface SignInLinkDocument {
  /** Hash of the token in the link. */
  _id: string
  user_id: string
  created_at: Date
  created_by: By
  expires_at: Date
  used_at: Date | null
}

export interface BrowserSessionDocument {
  /** Hash of the cookie's value. */
  _id: string
  user_id: string
  created_at: Date
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
    tokenFamilies: collection<TokenFamilyDocument>('TokenFamily', 'token_families'),
    signInLinks: collection<SignInLinkDocument>('SignInLink', 'sign_in_links'),
    browserSessions: collection<BrowserSessionDocument>('BrowserSession', 'browser_sessions'),
  }
}

export type Model = ReturnType<typeof createModel>

const DUPLICATE_KEY = 11_000

export function isDuplicateKey(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === DUPLICATE_KEY
}
