import { type Checkpoint, type LogFault, type LogVerdict, logFaults } from '../../../shared/protocol/index.ts'
import { digestOf, firstChain, nextChain } from '../../core/seal.ts'
import { type EventDocument, type EventStore, eventId } from './event-store.ts'

/** The signed places of logs, as they lie in the database: whether the hub did sign them is asked of `isSigned`. */
export interface Checkpoints {
  /** Those of a stream behind a place, in order. */
  read(stream: string, after: number, limit: number): Promise<Checkpoint[]>
  isSigned(checkpoint: Checkpoint): boolean
}

export interface VerifyDeps {
  store: EventStore
  checkpoints?: Checkpoints
  /** Up to where this node knows the stream itself: what it has seen committed must be there. */
  knownHead?(stream: string): number
  /** Whether what lies beside the text, for queries, is what belongs to it. */
  isBeside?(document: EventDocument): boolean
}

const noCheckpoints: Checkpoints = { read: () => Promise.resolve([]), isSigned: () => false }

// Small pages, so that other work comes in between.
const READ_AT_ONCE = 500

/** Reads a whole log from the database and hashes it again. Those who ask for one log at the same time share one reading of it. */
export function createVerifyStream({ store, checkpoints = noCheckpoints, knownHead = () => 0, isBeside = () => true }: VerifyDeps) {
  const deps = { store, checkpoints, knownHead, isBeside }
  const under_way = new Map<string, Promise<LogVerdict>>()

  return function verifyStream(stream: string): Promise<LogVerdict> {
    const shared = under_way.get(stream) ?? readAndHash(deps, stream).finally(() => under_way.delete(stream))
    under_way.set(stream, shared)
    return shared
  }
}

export type VerifyStream = ReturnType<typeof createVerifyStream>

/** Every event must be what it was when it was written, in its place; and every checkpoint must find its own. */
async function readAndHash({ store, checkpoints, knownHead, isBeside }: Required<VerifyDeps>, stream: string): Promise<LogVerdict> {
  const known = knownHead(stream)
  const signed = createSigned(checkpoints, stream)
  let [head, chain] = [0, firstChain(stream)]
  /** How far the log went when a checkpoint beyond its end was met. */
  let doubted = -1
  const bad = (fault: LogFault, first_bad = head + 1): LogVerdict => {
    return { ok: false, head, chain, checkpoint: signed.agreed(), first_bad, fault, detail: logFaults[fault] }
  }
  for (;;) {
    const documents = await store.collection
      .find({ _id: { $gt: eventId(stream, head), $lte: eventId(stream, 999_999_999_999) } })
      .sort({ _id: 1 })
      .limit(READ_AT_ONCE)
      .toArray()
    for (const document of documents) {
      const seq = head + 1
      if (document._id !== eventId(stream, seq)) return bad('missing')
      if (!isWhole(document, seq) || !isBeside(document)) return bad('changed')
      const next = nextChain(chain, document.digest)
      if (document.chain !== next) return bad('not_tied')
      const fault = await signed.at(seq, next)
      if (fault !== undefined) return bad(fault)
      head = seq
      chain = next
    }
    if (documents.length === READ_AT_ONCE) continue
    if (known > head) return bad('cut_short')
    const beyond = await signed.beyond(head)
    if (beyond === undefined) return { ok: true, head, chain, checkpoint: signed.agreed() }
    // The log may have grown since it was read, and the checkpoint with it: a second look tells.
    if (doubted === head) return bad(beyond)
    doubted = head
  }
}

/** The checkpoints of a stream, met in its order. */
function createSigned({ read, isSigned }: Checkpoints, stream: string) {
  let page: Checkpoint[] = []
  let isLast = false
  let taken = 0
  let agreed = 0

  async function next(): Promise<Checkpoint | undefined> {
    if (page.length === 0 && !isLast) {
      page = await read(stream, taken, READ_AT_ONCE)
      isLast = page.length < READ_AT_ONCE
    }
    return page[0]
  }

  function take(): void {
    taken = page.shift()?.seq ?? taken
  }

  /** What the checkpoint at the place says against the chain there. */
  async function at(seq: number, chain: string): Promise<LogFault | undefined> {
    const checkpoint = await next()
    if (checkpoint === undefined || checkpoint.seq > seq) return undefined
    take()
    if (!isSigned(checkpoint)) return 'checkpoint_forged'
    if (checkpoint.chain !== chain) return 'checkpoint_differs'
    agreed = seq
    return undefined
  }

  /** Whether a checkpoint vouches for what is no more. */
  async function beyond(head: number): Promise<LogFault | undefined> {
    const checkpoint = await next()
    if (checkpoint === undefined || checkpoint.seq <= head) return undefined
    return isSigned(checkpoint) ? 'cut_short' : 'checkpoint_forged'
  }

  return { at, beyond, agreed: () => agreed }
}

/** Whether the text is what was hashed, and what is queried beside it says the same. Of a text that was changed nothing is taken for granted. */
function isWhole({ json, digest, seq, type, at, by, key }: EventDocument, place: number): boolean {
  if (typeof json !== 'string' || digestOf(json) !== digest) return false
  try {
    const told = JSON.parse(json)
    if (told.seq !== place || seq !== place || told.type !== type) return false
    return told.key === key && told.by.id === by.id && told.at === at.toISOString()
  } catch {
    // No JSON, or not of the shape of an event: somebody wrote it here, and its digest too.
    return false
  }
}
