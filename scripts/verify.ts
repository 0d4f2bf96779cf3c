/**
 * Checks a transcript on its own: every digest and every link of the chain is computed again, and the hub is not asked about it.
 *
 *   PARLEY_TOKEN=… scripts/node scripts/verify.ts http://127.0.0.1:6767/contracts/<contract_id> [--save transcript.json]
 *   PARLEY_TOKEN=… scripts/node scripts/verify.ts http://127.0.0.1:6767/audit [--save trail.ndjson]
 *   scripts/node scripts/verify.ts transcript.json [--head N --chain HEX] [--keys keys.json]
 *   scripts/node scripts/verify.ts trail.ndjson --keys keys.json
 *
 * With an address it fetches the log and the hub's public keys, and `--save` keeps it for later. A transcript holds `{contract_id,
 * events}`, the events from seq 1 as `GET /contracts/:id/events` gives them, redacted stubs too, and may hold `checkpoints` and `keys`.
 * An export of the audit trail is what `GET /audit/export` gives: a line of JSON each, and its name ends with .ndjson.
 * `--keys` is what `GET /audit/keys` gave, kept where who could change the log could not change it. `--head` and `--chain` are a place
 * that you wrote down: without a place that is signed or known, a log that was cut short, or made anew from the first event, still fits
 * together. Exit 0: sound. 1: not sound, and the first bad seq is named. 2: could not look.
 */
import { createReadStream, createWriteStream, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { hashSchema, seqSchema } from '../shared/protocol/index.ts'
import { readOptions } from './lib/read-options.ts'
import { readKeys } from './lib/verify/checkpoints.ts'
import { fetchExport, fetchKeys, fetchTranscript } from './lib/verify/fetch-transcript.ts'
import type { Place } from './lib/verify/verify-chain.ts'
import { type ExportFinding, verifyExport } from './lib/verify/verify-export.ts'
import { type Finding, type Transcript, transcriptSchema, verifyTranscript } from './lib/verify/verify-transcript.ts'

const USAGE =
  'usage: scripts/node scripts/verify.ts <transcript.json, trail.ndjson, the address of a contract, or of /audit> [--save FILE] [--keys FILE] [--head N --chain HEX]'

interface Arguments {
  place: string
  save: string | undefined
  keys: string | undefined
  known: Place | undefined
}

function readArguments(): Arguments {
  const text = { type: 'string' } as const
  const options = { save: text, keys: text, head: text, chain: text } as const
  const { positionals, values } = readOptions(options, USAGE)
  const [place, ...more] = positionals
  if (place === undefined || more.length > 0 || (values.head === undefined) !== (values.chain === undefined)) throw new Error(USAGE)
  const known =
    values.head === undefined ? undefined : { head: seqSchema.parse(Number(values.head)), chain: hashSchema.parse(values.chain) }
  return { place, save: values.save, keys: values.keys, known }
}

async function checkTranscript({ place, save, keys, known }: Arguments): Promise<Finding> {
  const transcript = isAddress(place) ? transcriptSchema.parse(await fetchTranscript(place, token())) : readTranscript(place)
  if (save !== undefined) writeFileSync(save, `${JSON.stringify(transcript)}\n`, { mode: 0o600 })
  return verifyTranscript(transcript, known, keys === undefined ? transcript.keys : readKeys(keys))
}

async function checkExport({ place, save, keys }: Arguments): Promise<ExportFinding> {
  if (!isAddress(place)) return verifyExport(linesOf(place), keys === undefined ? [] : readKeys(keys))
  const trusted = keys === undefined ? await fetchKeys(place) : readKeys(keys)
  if (save === undefined) return verifyExport(createInterface(await fetchExport(place, token())), trusted)
  await pipeline(await fetchExport(place, token()), createWriteStream(save, { mode: 0o600 }))
  return verifyExport(linesOf(save), trusted)
}

/** Throws a sentence that names the file. */
function readTranscript(path: string): Transcript {
  try {
    return transcriptSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    const fault = error instanceof z.ZodError ? z.prettifyError(error) : String(error instanceof Error ? error.message : error)
    throw new Error(`${path} is no transcript: ${fault}`)
  }
}

function linesOf(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
}

/** An address is fetched, anything else is a file. */
function isAddress(place: string): boolean {
  return /^https?:/.test(place)
}

function token(): string | undefined {
  return process.env['PARLEY_TOKEN']
}

function sentencesOf(finding: Finding | ExportFinding): string[] {
  if (!finding.ok)
    return [`bad at ${'stream' in finding && finding.stream !== '' ? `${finding.stream} ` : ''}seq ${finding.seq}: ${finding.fault}`]
  if (!('streams' in finding)) return [`ok, ${placeOf(finding)}`]
  const each = finding.streams.map(({ stream, from, ...place }) => `ok, ${stream}${from > 0 ? ` from ${from}` : ''}, ${placeOf(place)}`)
  return each.length > 0 ? each : ['ok, no stream']
}

function placeOf({ head, chain, signed }: { head: number; chain: string; signed?: { seq: number; kid: string } }): string {
  return `head ${head}, chain ${chain}${signed === undefined ? '' : `, signed to ${signed.seq} by ${signed.kid}`}`
}

async function main(): Promise<void> {
  try {
    const given = readArguments()
    const isTrail = isAddress(given.place) ? /\/audit\/?$/.test(given.place) : given.place.endsWith('.ndjson')
    const finding = isTrail ? await checkExport(given) : await checkTranscript(given)
    for (const sentence of sentencesOf(finding)) console.log(sentence)
    process.exitCode = finding.ok ? 0 : 1
  } catch (error) {
    console.error(error instanceof z.ZodError ? z.prettifyError(error) : String(error instanceof Error ? error.message : error))
    process.exitCode = 2
  }
}

await main()
