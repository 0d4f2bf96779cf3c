import { type AuditExportLine, type Checkpoint, ParleyError } from '../../../shared/protocol/index.ts'
import { firstChain } from '../../core/seal.ts'
import { type EventDocument, type EventStore, eventId } from '../../pipeline/store/event-store.ts'
import { trailStreams } from './trail-streams.ts'

export interface ExportDeps {
  store: EventStore
  readCheckpoints(stream: string, after: number, limit: number): Promise<Checkpoint[]>
  /** The newest checkpoint up to the place stays for good. */
  keepForExport(stream: string, head: number): Promise<void>
  /** Throws when the reader may not read the trail any more. */
  requireReader(): Promise<void>
}

const READ_AT_ONCE = 500

/**
 * The trail as lines of JSON, stream by stream, each checkpoint behind its event, as it can be checked without the hub: nothing is left
 * out, and each event is the text that was sealed. A page at a time is in memory, and the next is read when the reader has taken it. It ends
 * where the streams ended when it began, and breaks off when the reader may not read it any more.
 */
export async function* exportTrail(deps: ExportDeps, { stream: only, after }: { stream?: string; after: number }): AsyncGenerator<string> {
  const names = only === undefined ? await trailStreams(deps.store) : [only]
  const streams = await Promise.all(names.map((name) => endOf(deps, name)))
  const sum = { streams: streams.length, events: 0, checkpoints: 0 }
  for (const { stream, head, beyond } of streams) {
    yield lineOf({ kind: 'stream', stream, after, chain: await chainAt(deps.store, stream, after) })
    let seq = after
    for (let isLast = false; !isLast; ) {
      const rows = await readRows(deps.store, stream, { after: seq, head })
      isLast = rows.length < READ_AT_ONCE
      const last = rows.at(-1)?.seq ?? seq
      const upTo = isLast ? head : last
      const signed = (await deps.readCheckpoints(stream, seq, READ_AT_ONCE)).filter((one) => one.seq <= upTo)
      if (isLast) signed.push(...beyond)
      // Behind the read: what was recorded after he lost the right to it is never told him.
      await deps.requireReader()
      yield interleaved(rows, signed)
      sum.events += rows.length
      sum.checkpoints += signed.length
      seq = last
    }
  }
  yield lineOf({ kind: 'end', ...sum })
}

/** Where the stream ends now, and the checkpoints behind it: one that vouches for what is no more is what an export is for. */
async function endOf(
  { store, readCheckpoints, keepForExport }: ExportDeps,
  stream: string,
): Promise<{ stream: string; head: number; beyond: Checkpoint[] }> {
  const before = (await store.head(stream))?.seq ?? 0
  const signed = await readCheckpoints(stream, before, READ_AT_ONCE)
  // After them: what one of them vouches for was there before it was signed.
  const head = (await store.head(stream))?.seq ?? 0
  await keepForExport(stream, head)
  return { stream, head, beyond: signed.filter(({ seq }) => seq > head) }
}

function readRows(store: EventStore, stream: string, { after, head }: { after: number; head: number }): Promise<EventDocument[]> {
  return store.collection
    .find({ _id: { $gt: eventId(stream, after), $lte: eventId(stream, head) } })
    .sort({ _id: 1 })
    .limit(READ_AT_ONCE)
    .toArray()
}

function interleaved(rows: readonly EventDocument[], signed: readonly Checkpoint[]): string {
  let text = ''
  let at = 0
  for (const { json, chain, seq } of rows) {
    // Spliced, for a text that was parsed and written again might be another.
    text += `{"kind":"event","event":${json.slice(0, -1)},"chain":"${chain}"}}\n`
    for (let next = signed[at]; next !== undefined && next.seq <= seq; next = signed[++at]) text += lineOf({ kind: 'checkpoint', ...next })
  }
  return (
    text +
    signed
      .slice(at)
      .map((one) => lineOf({ kind: 'checkpoint', ...one }))
      .join('')
  )
}

/** Where an export that goes on behind an earlier one begins. */
export async function chainAt(store: EventStore, stream: string, seq: number): Promise<string> {
  if (seq === 0) return firstChain(stream)
  const row = await store.collection.findOne({ _id: eventId(stream, seq) }, { projection: { chain: 1 } })
  if (row === null) throw new ParleyError('REQUEST_INVALID', { errors: [{ pointer: '/after', detail: 'the stream has no such place' }] })
  return row.chain
}

function lineOf(line: AuditExportLine): string {
  return `${JSON.stringify(line)}\n`
}
