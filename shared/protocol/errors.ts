import { z } from 'zod'
import { jsonPointer } from './json-pointer.ts'

/** What a client does with a refusal: `never` = change the request, `later` = the same again after a pause, `after-refresh` = read the room first. */
export type Retry = 'never' | 'later' | 'after-refresh'

export interface ErrorRow {
  /** The HTTP status of the same refusal (RFC 9110). */
  status: number
  retry: Retry
  title: string
  fix: string
}

/** Every refusal of the hub. A code is contract: rows are added, never renamed or reused. */
export const errors = {
  FRAME_INVALID: { status: 400, retry: 'never', title: 'The payload is not valid', fix: 'Change the fields that `errors` points at.' },
  FRAME_UNKNOWN: { status: 404, retry: 'never', title: 'No such frame', fix: 'Send a frame of docs/PROTOCOL.md; check its spelling.' },
  FRAME_TOO_LARGE: {
    status: 413,
    retry: 'never',
    title: 'The payload is too large',
    fix: 'Stay below `facts.frame_bytes`: send less at once. An agent streams long output in chunks.',
  },
  REQUEST_INVALID: { status: 400, retry: 'never', title: 'The request is not valid', fix: 'Change the fields that `errors` points at.' },
  ROUTE_UNKNOWN: { status: 404, retry: 'never', title: 'No such route', fix: 'Check the path: `/docs` shows every route.' },
  METHOD_NOT_ALLOWED: {
    status: 405,
    retry: 'never',
    title: 'The route has no such method',
    fix: 'Use a method that the `Allow` header names.',
  },
  REQUEST_TOO_SLOW: { status: 408, retry: 'later', title: 'The request did not arrive in time', fix: 'Send it again, in one go.' },
  EXPECTATION_FAILED: { status: 417, retry: 'never', title: 'The hub does not do what `Expect` asks for', fix: 'Leave the header away.' },
  HEADERS_TOO_LARGE: { status: 431, retry: 'never', title: 'The headers are too large', fix: 'Stay below 16 KB of headers in all.' },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, retry: 'never', title: 'The body is not JSON', fix: 'Send `Content-Type: application/json`.' },
  UNAUTHENTICATED: {
    status: 401,
    retry: 'never',
    title: 'The credentials are missing or not valid',
    fix: 'Check the address and password, sign in again, or use an active key.',
  },
  PASSWORD_WRONG: {
    status: 403,
    retry: 'never',
    title: 'The current password is not right',
    fix: 'Give the password that you sign in with now, or ask an operator for a reset link.',
  },
  USER_STATUS: {
    status: 409,
    retry: 'never',
    title: 'The user is not in the state for this',
    fix: 'See `facts`: enable a disabled user first, invite an invited one again.',
  },
  OPERATOR_KEPT: {
    status: 409,
    retry: 'never',
    title: 'The hub keeps its own admin',
    fix: 'Leave the operator active and an admin; change another user.',
  },
  PERMISSION_DENIED: {
    status: 403,
    retry: 'never',
    title: 'You may not do this here',
    fix: 'It takes what `facts` names: another role, permission, scope or principal.',
  },
  PROFILE_VIOLATED: {
    status: 403,
    retry: 'never',
    title: 'The profile of the key does not allow it',
    fix: 'Stay within the bound that `facts.rule` names, or use a key that has it wider.',
  },
  ORIGIN_DENIED: {
    status: 403,
    retry: 'never',
    title: 'This origin may not use the cookie',
    fix: 'Open the console at the address in PARLEY_PUBLIC_URL.',
  },
  CSRF_TOKEN_INVALID: {
    status: 403,
    retry: 'after-refresh',
    title: 'The token against forged requests is missing or of another session',
    fix: 'Read `/me`, then send the value of the cookie `__Host-parley-csrf` as `X-CSRF-Token`.',
  },
  NOT_FOUND: {
    status: 404,
    retry: 'never',
    title: 'Nothing here that you can see',
    fix: 'Check the id, and that you are a party to the contract.',
  },
  PRECONDITION_FAILED: {
    status: 412,
    retry: 'after-refresh',
    title: 'It has changed since you read it',
    fix: 'Read it again and put its new `ETag` into `If-Match`.',
  },
  PRECONDITION_REQUIRED: {
    status: 428,
    retry: 'after-refresh',
    title: 'The request does not say what it is about to change',
    fix: 'Read it, and send its `ETag` as `If-Match`.',
  },
  ALREADY_EXISTS: { status: 409, retry: 'never', title: 'It exists already', fix: 'Use the one that exists, or choose another name.' },
  KEY_LIMIT_REACHED: {
    status: 409,
    retry: 'never',
    title: 'The agent has as many keys as it may',
    fix: 'Revoke a key that is not used any more, or rotate one.',
  },
  KEY_NOT_ACTIVE: {
    status: 409,
    retry: 'never',
    title: 'The key has ended or was replaced',
    fix: 'Go on with the key in `facts.key_id`, if one replaced it, or issue a new one.',
  },
  LAST_KEY: {
    status: 409,
    retry: 'never',
    title: 'It is the last key of the agent',
    fix: 'Issue or rotate a key first; the owner or an admin can revoke the last one too.',
  },
  HELLO_REQUIRED: {
    status: 409,
    retry: 'never',
    title: 'The session has not said hello',
    fix: 'Send `agent.hello` first on this connection.',
  },
  PROTOCOL_UNSUPPORTED: {
    status: 400,
    retry: 'never',
    title: 'The hub does not speak this protocol',
    fix: 'Use one of the versions in `facts.protocols`.',
  },
  TOOL_UNKNOWN: { status: 404, retry: 'after-refresh', title: 'The agent has no such tool', fix: 'Choose a tool of `view.tools`.' },
  TOOL_INPUT_INVALID: {
    status: 422,
    retry: 'never',
    title: 'The input does not match the tool',
    fix: "Make the input match the tool's `input_schema`.",
  },
  TOOL_SCHEMA_INVALID: {
    status: 422,
    retry: 'never',
    title: 'The tool schema does not compile',
    fix: 'Make `input_schema` a valid JSON Schema 2020-12 without remote references.',
  },
  CALL_NOT_OPEN: {
    status: 409,
    retry: 'never',
    title: 'The call is not open',
    fix: 'Drop the result: the call has its one outcome already.',
  },
  CALL_HELD: {
    status: 409,
    retry: 'never',
    title: 'Another session has the call',
    fix: 'Let the session in `facts.session_id` answer, or resume that session in `agent.hello`.',
  },
  CHUNK_OUT_OF_ORDER: {
    status: 409,
    retry: 'after-refresh',
    title: 'A chunk is missing before this one',
    fix: 'Send the chunks again from `facts.next_seq`.',
  },
  STREAM_TOO_LARGE: {
    status: 413,
    retry: 'never',
    title: 'The stream is at its limit',
    fix: 'End the call; give large output as evidence.',
  },
  CONTRACT_ENDED: { status: 409, retry: 'never', title: 'The contract has ended', fix: 'Open a new contract to go on.' },
  FLOOR_LOST: { status: 409, retry: 'never', title: 'You no longer have the floor', fix: 'Stop writing until `floor.returned`.' },
  FLOOR_MOVED: {
    status: 409,
    retry: 'after-refresh',
    title: 'Someone else took the floor first',
    fix: 'Read `floor` and ask again with its term.',
  },
  KEY_REUSED: {
    status: 422,
    retry: 'never',
    title: 'The key was used for another payload',
    fix: 'Make a new key for a new frame; repeat a key only with the same payload.',
  },
  REQUEST_IN_FLIGHT: {
    status: 409,
    retry: 'later',
    title: 'The same request is under way',
    fix: 'Send the same again, with the same key, after a pause: it gets the answer.',
  },
  RATE_LIMITED: {
    status: 429,
    retry: 'later',
    title: 'Too many frames or requests',
    fix: 'Wait `facts.retry_after_ms`, then go on at the pace of `limits` (sockets) or of the `RateLimit` header (HTTP).',
  },
  OVERLOADED: { status: 503, retry: 'later', title: 'The hub has too much to do', fix: 'Send the same again after a pause.' },
  UNAVAILABLE: {
    status: 503,
    retry: 'later',
    title: 'The database does not answer',
    fix: 'Send the same again, with the same key, after a pause.',
  },
  INTERNAL: { status: 500, retry: 'later', title: 'The hub failed', fix: 'Send the same again; if it stays, report the correlation id.' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errors

/** What a refusal must carry because its fix speaks of it. */
export interface NeededFacts {
  FRAME_INVALID: { errors: FieldError[] }
  REQUEST_INVALID: { errors: FieldError[] }
  FRAME_TOO_LARGE: { frame_bytes: number }
  PERMISSION_DENIED: { allowed: readonly string[] } | { permission: string } | { scope: string } | { principal_id: string }
  PROFILE_VIOLATED: { rule: string }
  PROTOCOL_UNSUPPORTED: { protocols: readonly number[] }
  CALL_HELD: { session_id: string | undefined }
  CHUNK_OUT_OF_ORDER: { next_seq: number }
  RATE_LIMITED: { retry_after_ms: number }
  USER_STATUS: { status: string; wanted: string }
  KEY_NOT_ACTIVE: { key_id: string | null }
}

/** The codes whose fix stands by itself. */
export type PlainCode = Exclude<ErrorCode, keyof NeededFacts>

type Given<C extends ErrorCode> = [C] extends [PlainCode]
  ? [facts?: ErrorFacts, options?: ErrorOptions]
  : [facts: ErrorFacts & NeededFacts[C & keyof NeededFacts], options?: ErrorOptions]

export const errorCodes = Object.keys(errors) as ErrorCode[]

/** One fault of a payload. `pointer` is a JSON Pointer (RFC 6901) into it. */
export const fieldErrorSchema = z.object({ pointer: z.string(), detail: z.string() })
export type FieldError = z.infer<typeof fieldErrorSchema>

/** What leaves the hub, in an acknowledgement or as problem+json (RFC 9457). Clients act on `code` and `retry`, never on the sentences. */
export const refusalSchema = z.object({
  code: z.string(),
  title: z.string(),
  detail: z.string().exactOptional(),
  fix: z.string(),
  retry: z.enum(['never', 'later', 'after-refresh']),
  errors: z.array(fieldErrorSchema).exactOptional(),
  facts: z.record(z.string(), z.unknown()).exactOptional(),
  correlation_id: z.string(),
})
export type Refusal = z.infer<typeof refusalSchema>

export interface ErrorFacts {
  detail?: string
  errors?: FieldError[]
  [fact: string]: unknown
}

/** A refusal on its way out. `facts` hold what the caller needs to fix it; what the fix speaks of cannot be left out. */
export class ParleyError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: ErrorCode
  readonly facts: ErrorFacts

  constructor(code: C, ...[facts = {}, options]: Given<C>) {
    super(facts.detail ?? errors[code].title, options)
    this.name = 'ParleyError'
    this.code = code
    this.facts = facts
  }

  toRefusal(correlation_id: string): Refusal {
    const { title, fix, retry } = errors[this.code]
    const { detail, errors: fields, ...facts } = this.facts
    return {
      code: this.code,
      title,
      ...(detail === undefined ? {} : { detail }),
      fix,
      retry,
      ...(fields === undefined ? {} : { errors: fields }),
      ...(Object.keys(facts).length === 0 ? {} : { facts }),
      correlation_id,
    }
  }
}

const MOST_FIELD_ERRORS = 20

/** A zod failure as the field errors of a refusal: at most 20, so that a hostile payload cannot make a long answer. */
export function fieldErrors(error: z.ZodError): FieldError[] {
  return error.issues.flatMap(faultsOf).slice(0, MOST_FIELD_ERRORS)
}

/** zod names all members that should not be there in one issue of the object that holds them. */
function faultsOf(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code !== 'unrecognized_keys') return [{ pointer: jsonPointer(issue.path), detail: issue.message }]
  const keys = issue.keys.slice(0, MOST_FIELD_ERRORS)
  return keys.map((key) => ({ pointer: jsonPointer([...issue.path, key]).slice(0, 300), detail: 'is not known here' }))
}
