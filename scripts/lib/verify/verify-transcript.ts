import { z } from 'zod'
import { type CheckpointKey, checkpointKeySchema, checkpointSchema, idSchema } from '../../../shared/protocol/index.ts'
import { signatureFault } from './checkpoints.ts'
import { firstChain, nextLink, type Place } from './verify-chain.ts'

export const transcriptSchema = z.object({
  contract_id: idSchema,
  events: z.array(z.unknown()),
  /** As `GET /contracts/:id/log/checkpoints` gives them. */
  checkpoints: z.array(checkpointSchema).optional(),
  /** As `GET /audit/keys` gave them. Whoever made the file chose them: keys that you kept yourself are worth more. */
  keys: z.array(checkpointKeySchema).optional(),
})

export type Transcript = z.infer<typeof transcriptSchema>

export type Finding =
  | { ok: true; head: number; chain: string /** The newest signed place, and whose signature. */; signed?: { seq: number; kid: string } }
  | { ok: false; seq: number; fault: string }

/** The chain of the whole transcript, or the first seq at which it breaks. `known` is a place that the log is known to have had. */
export function verifyTranscript(transcript: Transcript, known?: Place, keys: CheckpointKey[] = transcript.keys ?? []): Finding {
  const stream = `contract:${transcript.contract_id}`
  const checkpoints = transcript.checkpoints ?? []
  const forged = checkpoints.find((one) => one.stream !== stream || signatureFault(one, keys) !== undefined)
  if (forged !== undefined)
    return bad(forged.seq, forged.stream === stream ? signatureFault(forged, keys) : 'a checkpoint is of another log')
  const places = [...checkpoints.map(({ seq, chain }) => ({ head: seq, chain })), ...(known === undefined ? [] : [known])]
  let place: Place = { head: 0, chain: firstChain(stream) }
  if (known?.head === 0 && known.chain !== place.chain) return bad(0, 'the checkpoint is of another log')
  for (const event of transcript.events) {
    const link = nextLink(event, place)
    if ('fault' in link) return bad(place.head + 1, link.fault)
    place = { head: place.head + 1, chain: link.chain }
    const here = places.filter(({ head }) => head === place.head)
    if (here.some(({ chain }) => chain !== place.chain)) return bad(place.head, 'the checkpoint has another chain')
  }
  const furthest = places.reduce((most, { head }) => Math.max(most, head), 0)
  if (place.head < furthest) return bad(place.head + 1, `the transcript ends at ${place.head}, the checkpoint stands at ${furthest}`)
  const last = checkpoints.toSorted((a, b) => a.seq - b.seq).at(-1)
  return { ok: true, ...place, ...(last === undefined ? {} : { signed: { seq: last.seq, kid: last.kid } }) }
}

function bad(seq: number, fault = 'the checkpoint is not sound'): Finding {
  return { ok: false, seq, fault }
}
