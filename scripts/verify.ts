/**
 * Checks a transcript on its own: every digest and every link of the chain is computed again, and the hub is not asked about it.
 *
 *   PARLEY_TOKEN=… scripts/node scripts/verify.ts http://127.0.0.1:6767/contracts/<contract_id> [--save transcript.json]
 *   scripts/node scripts/verify.ts transcript.json [--head N --chain HEX]
 *
 * With an address it fetches the log, page by page, and `--save` keeps it for later. The file holds `{contract_id, events}`, the
 * events from seq 1 as `GET /contracts/:id/events` gives them, redacted stubs too.
 * `--head` and `--chain` are a place that you wrote down or that was signed: without them a transcript that was cut short, or
 * made anew from the first event, still fits together. Exit 0: sound. 1: not sound, and the first bad seq is named. 2: could not look.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { hashSchema, idSchema, seqSchema } from '../shared/protocol/index.ts'
import { canonicalJson } from '../shared/rules/canonical-json.ts'
import { fetchTranscript } from './lib/fetch-transcript.ts'

/** Loose, for every member counts in the digest, those of a newer hub too. */
const eventSchema = z.looseObject({ seq: seqSchema, type: z.string(), chain: hashSchema })
const stubSchema = z.object({ digest: hashSchema })
const transcriptSchema = z.object({ contract_id: idSchema, events: z.array(z.unknown()) })

export type Transcript = z.infer<typeof transcriptSchema>

/** A place that the log is known to have had. */
export interface Checkpoint {
  head: number
  chain: string
}

export type Finding = { ok: true; head: number; chain: string } | { ok: false; seq: number; fault: string }

/** The chain of the whole transcript, or the first seq at which it breaks. */
export function verifyTranscript({ contract_id, events }: Transcript, checkpoint?: Checkpoint): Finding {
  let chain = sha256(`contract:${contract_id}`)
  let head = 0
  if (checkpoint?.head === 0 && checkpoint.chain !== chain) return { ok: false, seq: 0, fault: 'the checkpoint is of another log' }
  for (const event of events) {
    const link = nextLink(event, { head, chain })
    if ('fault' in link) return { ok: false, seq: head + 1, fault: link.fault }
    head += 1
    chain = link.chain
    if (head === checkpoint?.head && chain !== checkpoint.chain) return { ok: false, seq: head, fault: 'the checkpoint has another chain' }
  }
  if (checkpoint && head < checkpoint.head) {
    return { ok: false, seq: head + 1, fault: `the transcript ends at ${head}, the checkpoint stands at ${checkpoint.head}` }
  }
  return { ok: true, head, chain }
}

function nextLink(event: unknown, { head, chain }: Checkpoint): { chain: string } | { fault: string } {
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

async function main(): Promise<void> {
  const { transcript, checkpoint } = await readArguments()
  const finding = verifyTranscript(transcript, checkpoint)
  console.log(finding.ok ? `ok, head ${finding.head}, chain ${finding.chain}` : `bad at seq ${finding.seq}: ${finding.fault}`)
  process.exitCode = finding.ok ? 0 : 1
}

const USAGE = 'usage: scripts/node scripts/verify.ts <transcript.json or the address of a contract> [--save FILE] [--head N --chain HEX]'

async function readArguments(): Promise<{ transcript: Transcript; checkpoint: Checkpoint | undefined }> {
  try {
    const text = { type: 'string' } as const
    const { positionals, values } = parseArgs({ allowPositionals: true, options: { save: text, head: text, chain: text } })
    const [place, ...more] = positionals
    if (place === undefined || more.length > 0 || (values.head === undefined) !== (values.chain === undefined)) throw new Error(USAGE)
    const transcript = transcriptSchema.parse(await read(place))
    if (values.save !== undefined) writeFileSync(values.save, `${JSON.stringify(transcript)}\n`, { mode: 0o600 })
    if (values.head === undefined) return { transcript, checkpoint: undefined }
    return { transcript, checkpoint: { head: seqSchema.parse(Number(values.head)), chain: hashSchema.parse(values.chain) } }
  } catch (error) {
    console.error(error instanceof z.ZodError ? z.prettifyError(error) : String(error instanceof Error ? error.message : error))
    process.exit(2)
  }
}

/** An address is fetched, anything else is a file. */
async function read(place: string): Promise<unknown> {
  return /^https?:/.test(place) ? fetchTranscript(place, process.env['PARLEY_TOKEN']) : JSON.parse(readFileSync(place, 'utf8'))
}

if (import.meta.main) await main()
