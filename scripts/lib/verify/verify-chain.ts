import { createHash } from 'node:crypto'
import { z } from 'zod'
import { hashSchema, seqSchema } from '../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../shared/rules/canonical-json.ts'

/** Loose, for every member counts in the digest, those of a newer hub too. */
const eventSchema = z.looseObject({ seq: seqSchema, type: z.string(), chain: hashSchema })
const stubSchema = z.object({ digest: hashSchema })

/** A place of a log, and the chain up to it. */
export interface Place {
  head: number
  chain: string
}

/** The chain before the first event of a stream. */
export function firstChain(stream: string): string {
  return sha256(stream)
}

/** The chain with one more event, computed anew, or what is wrong with the event. */
export function nextLink(event: unknown, { head, chain }: Place): { chain: string } | { fault: string } {
  const parsed = eventSchema.safeParse(event)
  if (!parsed.success) return { fault: `not an event: ${z.prettifyError(parsed.error)}` }
  const { seq, chain: claimed } = parsed.data
  if (seq > head + 1) return { fault: `missing, the transcript goes on at ${seq}` }
  if (seq <= head) return { fault: `seq ${seq} stands here, it is out of order or there twice` }
  const digest = digestOf(event as object)
  if (digest === undefined) return { fault: 'it has no digest: a stub without one, or a value that JSON cannot hold' }
  const computed = sha256(Buffer.concat([Buffer.from(chain, 'hex'), Buffer.from(digest, 'hex')]))
  return computed === claimed ? { chain: computed } : { fault: 'the event does not fit its chain: one of the two was changed' }
}

/** The raw event is hashed, never a parsed copy of it, which could lack a member. Undefined when there is no digest to be had. */
function digestOf(event: object): string | undefined {
  const { chain: _, digest, ...members } = event as { chain: unknown; digest?: unknown; type?: unknown }
  if (members.type === 'redacted') return stubSchema.safeParse({ digest }).data?.digest
  try {
    return sha256(canonicalJson(members))
  } catch (error) {
    // What JSON cannot hold, or nested deeper than the stack: the hub never wrote it.
    if (error instanceof TypeError || error instanceof RangeError) return undefined
    throw error
  }
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
