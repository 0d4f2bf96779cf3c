import { z } from 'zod'
import { type AuditExportLine, auditExportLineSchema, type CheckpointKey } from '../../../shared/protocol/index.ts'
import { signatureFault } from './checkpoints.ts'
import { nextLink, type Place } from './verify-chain.ts'

export interface StreamFinding {
  stream: string
  from: number
  head: number
  chain: string
  /** The newest signed place that agrees, and whose signature. */
  signed?: { seq: number; kid: string }
}

export type ExportFinding = { ok: true; streams: StreamFinding[] } | { ok: false; stream: string; seq: number; fault: string }

/**
 * Checks an export of the audit trail line by line, however long it is: each event's digest and link, each checkpoint's signature and
 * chain, and that the export is whole. A stream that begins behind an earlier export goes on from the chain that it names: compare it.
 */
export async function verifyExport(lines: AsyncIterable<string>, keys: readonly CheckpointKey[]): Promise<ExportFinding> {
  const streams: StreamFinding[] = []
  let ended: Extract<AuditExportLine, { kind: 'end' }> | undefined
  let events = 0
  for await (const text of lines) {
    const now = streams.at(-1)
    const bad = (fault: string) => ({ ok: false as const, stream: now?.stream ?? '', seq: (now?.head ?? 0) + 1, fault })
    const parsed = auditExportLineSchema.safeParse(parseJson(text))
    if (!parsed.success) return bad(`no line of an export: ${z.prettifyError(parsed.error)}`)
    if (ended !== undefined) return bad('something follows the last line')
    const line = parsed.data
    if (line.kind === 'end') ended = line
    else if (line.kind === 'stream') streams.push({ stream: line.stream, from: line.after, head: line.after, chain: line.chain })
    else {
      if (now === undefined) return bad('the export does not say of which stream it is')
      const fault = line.kind === 'event' ? takeEvent(now, line.event) : takeCheckpoint(now, line, keys)
      if (fault !== undefined) return bad(fault)
      if (line.kind === 'event') events++
    }
  }
  const last = streams.at(-1)
  const cut = { ok: false as const, stream: last?.stream ?? '', seq: (last?.head ?? 0) + 1 }
  if (ended === undefined) return { ...cut, fault: 'the export was cut off: its last line is missing' }
  if (ended.events !== events || ended.streams !== streams.length)
    return { ...cut, fault: `the export says that it holds ${ended.events} events` }
  return { ok: true, streams }
}

function takeEvent(now: StreamFinding, event: unknown): string | undefined {
  const place: Place = { head: now.head, chain: now.chain }
  const link = nextLink(event, place)
  if ('fault' in link) return link.fault
  now.head += 1
  now.chain = link.chain
  return undefined
}

function takeCheckpoint(now: StreamFinding, line: Extract<AuditExportLine, { kind: 'checkpoint' }>, keys: readonly CheckpointKey[]) {
  const { kind: _, ...checkpoint } = line
  if (checkpoint.stream !== now.stream) return 'a checkpoint is of another stream'
  const fault = signatureFault(checkpoint, keys)
  if (fault !== undefined) return fault
  if (checkpoint.seq > now.head) return `the stream ends at ${now.head}, a checkpoint stands at ${checkpoint.seq}`
  if (checkpoint.seq === now.head && checkpoint.chain !== now.chain) return 'the checkpoint has another chain'
  // One of before the export's first event says nothing about it.
  if (checkpoint.seq === now.head) now.signed = { seq: checkpoint.seq, kid: checkpoint.kid }
  return undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // no line of JSON, which the schema then says
  }
}
