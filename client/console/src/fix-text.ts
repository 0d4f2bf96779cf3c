import type { RefusedError } from '../../sdk/index.ts'
import { durationName } from './time.ts'
import { sizeName } from './untrusted-text.ts'

type Facts = RefusedError['facts']

/** What the hub's own way out names by the fields of its answer, said to a person, who sees none of them. */
const forPeople: Readonly<Record<string, (facts: Facts) => string>> = {
  PERMISSION_DENIED: ({ allowed }) =>
    Array.isArray(allowed) ? `It takes one of these roles: ${allowed.join(', ')}.` : 'Ask who runs the hub for the right to it.',
  RATE_LIMITED: ({ retry_after_ms: ms }) => (typeof ms === 'number' ? `Try again in ${durationName(ms)}.` : 'Try again in a moment.'),
  FRAME_TOO_LARGE: ({ frame_bytes: most }) =>
    typeof most === 'number' ? `Send less at once: ${sizeName(most)} at most.` : 'Send less at once.',
  OVERLOADED: () => 'Try again in a moment.',
  UNAVAILABLE: () => 'Try again in a moment.',
  INTERNAL: () => 'Try again; if it stays, tell who runs the hub.',
}

/** What to do about a refusal, in one sentence or two. */
export function fixText({ code, facts, fix }: RefusedError): string {
  return forPeople[code]?.(facts) ?? fix
}
