import type { CloseCode, Push, PushType } from '../../shared/protocol/index.ts'
import type { Principal } from '../core/access/principal.ts'

/** One connection, as the features see it. The gateway gives it; when its socket is gone, `isOpen` is false and everything else does nothing. */
export interface Session {
  /** Names the connection on this node. */
  readonly id: string
  readonly principal: Principal
  isOpen(): boolean
  send<T extends PushType>(type: T, payload: Push<T>): void
  sendEvents(batch: EventsText): void
  /** Sends and waits for the acknowledgement, whatever it holds. False when none came before it was settled, or the connection ended. */
  ask<T extends PushType>(type: T, payload: Push<T>, about: string): Promise<boolean>
  /** Nobody need wait any more for the acknowledgement of what was asked about this. */
  settle(about: string): void
  /** From here on it gets what is told to the audience. Takes effect at once, between two events of a room. */
  enter(audience: string): void
  exit(audience: string): void
  /** Resolves when what was sent has left the process. */
  drained(): Promise<void>
  /** Goes on as the same principal by another credential. False when that one has ended meanwhile. */
  renew(proof: { principal: Principal; expires_at_ms: number | null }): boolean
  /** When its credentials end, in milliseconds since 1970; null = not by themselves. */
  expireAt(ms: number | null): void
  onClose(run: (graceful: boolean) => void): void
  close(code: CloseCode, reason: string): void
}

/** Tells every connection of an audience, on every node. The word may get lost on the way to another node. */
export type Broadcast = <T extends PushType>(audience: string, type: T, payload: Push<T>) => void

/** The push `events` as JSON text, which goes onto the wire as it is; and what must be known of it without reading it. */
export interface EventsText {
  contract_id: string
  last: number
  json: string
}

/** Tells the connections of this node a batch of a room's log. Nobody is in two of the audiences. */
export type TellEvents = (audiences: readonly string[], batch: EventsText) => void

/** The audiences of a contract: events for those who see staff notes and those who do not, and what is not history for both. */
export const audienceOf = {
  events: (contract_id: string, seesNotes: boolean) => `contract:${contract_id}:${seesNotes ? 'staff' : 'all'}`,
  ephemeral: (contract_id: string) => `contract:${contract_id}:ephemeral`,
  principal: (id: string) => `principal:${id}`,
  /** The nodes that somebody follows the audit trail on. */
  trail: 'trail',
}
