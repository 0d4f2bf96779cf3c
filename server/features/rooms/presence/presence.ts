import type { Member } from '../../../../shared/protocol/index.ts'

/** A lost connection has so long to come back before its principal is said to have left. */
export const GRACE_MS = 15_000
/** Above it a room is told how many are there, not who. */
export const MOST_LISTED = 200
/** Typing is over when nothing more is heard of it. */
export const TYPING_MS = 5_000

/** One connection of one principal in one room. */
export interface Seat {
  contract_id: string
  member: Omit<Member, 'connected'>
  /** The connection. A principal is connected as long as one of its devices is. */
  device: string
}

/** The connected members, and the version that the next change will follow. */
export interface Connected {
  version: number
  members: Member[]
}

/**
 * Who is connected to a room. Not history: it is told as it changes, coalesced, and forgotten. A device that goes without a word
 * leaves after a grace, so that a reconnect is not seen as a coming and going.
 */
export interface Presence {
  enter(seat: Seat): void
  /** At once when it said so; after the grace when its connection was lost. */
  exit(seat: Pick<Seat, 'contract_id' | 'device'> & { principal_id: string; at_once: boolean }): void
  /** Tells a change of a member that is connected: typing, a cursor. */
  change(contract_id: string, principal_id: string, news: Partial<Pick<Member, 'typing' | 'cursor'>>): void
  /** What was being typed has been said. */
  posted(contract_id: string, principal_id: string): void
  snapshot(contract_id: string): Promise<Connected>
  /** The same at this very moment, where nobody else must be asked: a snapshot that waited may be older than what was told since. */
  now?(contract_id: string): Connected
  /** Resolves when it has let go of everything, or after a moment. */
  close(): void | Promise<void>
}
