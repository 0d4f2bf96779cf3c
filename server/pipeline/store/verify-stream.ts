import { type Checkpoint, type LogFault, type LogVerdict, logFaults } from '../../../shared/protocol/index.ts'
import { digestOf, firstChain, nextChain } from '../../core/seal.ts'
import { createBreather } from '../background/breather.ts'
import { type EventDocument, type EventStore, eventId } from './event-store.ts'
import { createFairTurns, type FairTurns } from './fair-turns.ts'
import { wireBytes } from './stored-event.ts'

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

/** Of small events. Large ones are read by their bytes. */
const READ_AT_ONCE = 2_000
const CHECKPOINTS_AT_ONCE = 500
/** Pages that are read and hashed at the same time, in all and for one asker: each may take some MB of memory. */
const PAGES = { at_once: 2, per_lane: 1 }

/**
 * Reads a whole log from the database and hashes it again, page by page, the askers in turn: who has many long logs checked keeps another
 * waiting for one page. Who asks for the same again meanwhile shares the reading that is under way.
 */
export function createVerifyStream({ store, checkpoints = noCheckpoints, knownHead = () => 0, isBeside = () => true }: VerifyDeps) {
  const deps = { store, checkpoints, knownHead, isBeside, pages: createFairTurns(PAGES) }
  const under_way = new Map<string, Promise<LogVerdict>>()

  return function verifyStream(stream: string, { asker_id }: { asker_id: string }): Promise<LogVerdict> {
    const name = `${asker_id} ${stream}`
    const shared = under_way.get(name) ?? readAndHash(deps, { stream, asker_id }).finally(() => under_way.delete(name))
    under_way.set(name, shared)
    return shared
  }
}

export type VerifyStream = ReturnType<typeof createVerifyStream>

/** Every event must be what it was when it was written, in its place; and every checkpoint must find its own. */
async function readAndHash(deps: Required<VerifyDeps> & { pages: FairTurns }, asked: { stream: string; asker_id: string }) {
  const { store, checkpoints, knownHead, isBeside, pages } = deps
  const { stream, asker_id } = asked
  const known = knownHead(stream)
  const signed = createSigned(checkpoints, stream)
  const breathe = createBreather()
  let [head, chain] = [0, firstChain(stream)]
  /** How far the log went when a checkpoint beyond its end was met. */
  let doubted = -1
  const bad = (fault: LogFault, first_bad = head + 1): LogVerdict => {
    return { ok: false, head, chain, checkpoint: signed.agreed(), first_bad, fault, detail: logFaults[fault] }
  }

  /** What is wrong with the next page; undefined when nothing is. */
  async function hashPage(): Promise<{ isLast: boolean; fault: LogFault | undefined }> {
    const { documents, isLast } = await store.readDocuments(stream, { after: head, limit: READ_AT_ONCE })
    for (const document of documents) {
      const fault = await faultOf(document)
      if (fault !== undefined) return { isLast, fault }
    }
    return { isLast, fault: undefined }
  }

  async function faultOf(document: EventDocument): Promise<LogFault | undefined> {
    const seq = head + 1
    if (document._id !== eventId(stream, seq)) return 'missing'
    await breathe(wireBytes(String(document.json)))
    if (!isWhole(document, seq) || !isBeside(document)) return 'changed'
    const next = nextChain(chain, document.digest)
    if (document.chain !== next) return 'not_tied'
    const fault = await signed.at(seq, next)
    if (fault === undefined) [head, chain] = [seq, next]
    return fault
  }

  for (;;) {
    const { isLast, fault } = await pages.run(asker_id, hashPage)
    if (fault !== undefined) return bad(fault)
    if (!isLast) continue
    if (known > head) return bad('cut_short')
    const beyond = await signed.beyond(head)
    if (beyond === undefined) return { ok: true as const, head, chain, checkpoint: signed.agreed() }
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
      page = await read(stream, taken, CHECKPOINTS_AT_ONCE)
      isLast = page.length < CHECKPOINTS_AT_ONCE
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
