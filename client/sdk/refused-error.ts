import type { Refusal } from '../../shared/protocol/index.ts'

type Retry = Refusal['retry']

/** Refusals that the sdk makes itself, in the shape of the hub's. */
const ownRefusals = {
  NOT_CONNECTED: { retry: 'later', title: 'There is no connection to the hub', fix: 'Wait for the state `live`.' },
  NO_ANSWER: { retry: 'later', title: 'The hub did not acknowledge in time', fix: 'Send the same again, with the same key.' },
  ANSWER_INVALID: { retry: 'later', title: 'The answer is not of this protocol', fix: 'Check that `url` is a hub.' },
  UNREACHABLE: { retry: 'later', title: 'The hub cannot be reached', fix: 'Check the address, and that the hub is running.' },
  FRAME_INVALID: { retry: 'never', title: 'The payload is no JSON', fix: 'Give only what `JSON.stringify` takes.' },
  FRAME_TOO_LARGE: { retry: 'never', title: 'The payload is larger than any hub takes', fix: 'Send less at once; stream long output.' },
  HUB_CLOSED: { retry: 'never', title: 'The connection was closed', fix: 'Connect again; the storage has what was not acknowledged.' },
  CREDENTIALS_ENDED: { retry: 'never', title: 'The credentials have ended', fix: 'Connect again with new credentials.' },
  CLOSED_FOR_GOOD: { retry: 'never', title: 'The hub closed it for good', fix: 'Read `detail`; do not come back unchanged.' },
  ROOM_LEFT: { retry: 'never', title: 'The room was left', fix: 'Join the room again.' },
  ROOM_RESET: { retry: 'never', title: "The room's log was replaced", fix: 'Read the room; ask again if it did not happen.' },
  STREAM_INCOMPLETE: {
    retry: 'never',
    title: 'Chunks were missed, and the hub no longer gives them',
    fix: 'Use `result()`: the output is whole.',
  },
} as const satisfies Record<string, { retry: Retry; title: string; fix: string }>

export type OwnRefusalCode = keyof typeof ownRefusals

/** A refusal of the hub, or of the sdk itself. Act on `code` and `retry`, never on the sentences. */
export class RefusedError extends Error {
  readonly code: string
  readonly title: string
  /** What it was in this very case; absent where the title says it all. */
  readonly detail: string | undefined
  /** What to do about it. */
  readonly fix: string
  readonly retry: Retry
  readonly facts: Readonly<Record<string, unknown>>
  readonly errors: readonly { pointer: string; detail: string }[]
  /** Finds the refusal in the hub's logs; empty for the sdk's own. */
  readonly correlation_id: string

  constructor(refusal: Refusal, options?: ErrorOptions) {
    super(`${refusal.code}: ${(refusal.detail ?? refusal.title).replace(/\.$/, '')}. ${refusal.fix}`, options)
    this.name = 'RefusedError'
    this.code = refusal.code
    this.title = refusal.title
    this.detail = refusal.detail
    this.fix = refusal.fix
    this.retry = refusal.retry
    this.facts = refusal.facts ?? {}
    this.errors = refusal.errors ?? []
    this.correlation_id = refusal.correlation_id
  }

  /** The pause that the hub asked for, in milliseconds. */
  get retry_after_ms(): number {
    const asked = this.facts.retry_after_ms
    return typeof asked === 'number' && asked > 0 ? asked : 0
  }
}

export function ownRefusal(
  code: OwnRefusalCode,
  detail?: string,
  { facts, ...options }: ErrorOptions & { facts?: Record<string, unknown> } = {},
): RefusedError {
  const told = { ...(detail === undefined ? {} : { detail }), ...(facts === undefined ? {} : { facts }) }
  return new RefusedError({ code, ...ownRefusals[code], ...told, correlation_id: '' }, options)
}

/** Nobody answers there, in the network's own words: a WebSocket says only in the event beside its error why it could not be opened. */
export function unreachable(url: string, error: Error & { description?: unknown }): RefusedError {
  const { description } = error
  const said =
    isRecord(description) && typeof description.message === 'string' && description.message !== '' ? description.message : error.message
  return ownRefusal('UNREACHABLE', `No hub answers at ${url} (${said})`, { cause: error })
}

export function isRefusal(value: unknown): value is Refusal {
  return isRecord(value) && typeof value.code === 'string' && typeof value.retry === 'string' && typeof value.fix === 'string'
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whatever was thrown, as an error with a message that is text. */
export function toError(thrown: unknown): Error {
  try {
    return thrown instanceof Error && typeof thrown.message === 'string' ? thrown : new Error(String(thrown))
  } catch {
    return new Error('What was thrown has no text')
  }
}
