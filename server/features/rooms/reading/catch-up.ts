import { closingOf } from '../../../core/access/closing-of.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { streamOf } from '../../../pipeline/log/record.ts'
import { audienceOf, type Session } from '../../../pipeline/session.ts'
import type { StoredEvent } from '../../../pipeline/store/event-store.ts'
import { cutPage } from './cut-page.ts'
import { keyEndOf } from './key-end.ts'
import { createPageTexts } from './page-texts.ts'

export interface Reader {
  contract_id: string
  seesNotes: boolean
  /** The last event that the client has. */
  after: number
  /** The calls whose text so far stands in the view that the client was given: it missed nothing of them. */
  known: ReadonlySet<string>
  /** False once the client joined again or left: then another reader has taken over. */
  isCurrent(): boolean
}

export interface CatchUpDeps {
  log: Log
  limits: { page_events: number; page_bytes: number }
  /** The parts of running streams that the reader may have missed. */
  replayTexts(session: Session, reader: Pick<Reader, 'contract_id' | 'known'>): void
  onTrouble(what: string, cause: unknown): void
}

/**
 * Sends what was missed, page by page as the socket drains, and enters the audience in the very step that finds nothing left:
 * between that look and the entry no event can pass. Then says `live`.
 */
export function createCatchUp({ log, limits, replayTexts, onTrouble }: CatchUpDeps) {
  const textOf = createPageTexts(log.epoch)

  return function catchUp(session: Session, reader: Reader): void {
    if (goLive(session, reader)) return
    pull(session, reader).catch((cause: unknown) => {
      onTrouble('a catch-up stopped', cause)
      // The log is the truth: the client is told where it ends, and pulls again by `since`.
      session.send('lagging', { contract_id: reader.contract_id, head: log.cached(streamOf(reader.contract_id))?.head ?? reader.after })
    })
  }

  async function pull(session: Session, reader: Reader): Promise<void> {
    const stream = streamOf(reader.contract_id)
    let ahead: Promise<StoredEvent[]> | undefined
    while (session.isOpen() && reader.isCurrent()) {
      const { head } = await log.open(stream)
      if (goLive(session, reader)) return
      let events = (await ahead) ?? []
      // Nothing was there when it was read ahead: by now there is.
      if (events.length === 0) events = await read(stream, reader.after)
      // The log says that there is more and has nothing to show: asking again at once would never end.
      if (events.length === 0 && reader.after < head)
        throw new Error(`${stream} holds nothing behind ${reader.after}, but its head is ${head}`)
      // The next ones are read while these are sent.
      ahead = events.length < limits.page_events ? undefined : read(stream, events.at(-1)?.seq ?? reader.after)
      if (!(await send(session, reader, events))) return
    }
  }

  function read(stream: string, after: number): Promise<StoredEvent[]> {
    const events = log.page(stream, after, limits.page_events).then((page) => page.events)
    // Told to the one who awaits it; one that is read ahead may have nobody left who does.
    events.catch(() => undefined)
    return events
  }

  /** Page by page, each when the one before has left. False when the client is gone, or another reader has taken over. */
  async function send(session: Session, reader: Reader, events: readonly StoredEvent[]): Promise<boolean> {
    const isWanted = () => session.isOpen() && reader.isCurrent()
    for (let sent = 0; sent < events.length && isWanted(); ) {
      const { page, end } = upToOwnEnd(cutPage(events, sent, limits.page_bytes), session)
      session.sendEvents(textOf(reader.contract_id, page, reader.seesNotes))
      sent += page.length
      reader.after = page.at(-1)?.seq ?? reader.after
      // The log may be ahead of what was told: there too, nothing is read behind the end of one's own key.
      if (end !== undefined) session.close(end.code, end.reason)
      await session.drained()
    }
    return isWanted()
  }

  function goLive(session: Session, reader: Reader): boolean {
    const { contract_id, seesNotes } = reader
    const stream = log.cached(streamOf(contract_id))
    if (stream === undefined || reader.after < stream.head) return false
    if (!reader.isCurrent()) return true
    session.enter(audienceOf.events(contract_id, seesNotes))
    replayTexts(session, reader)
    session.send('live', { contract_id, head: stream.head, epoch: log.epoch, chain: stream.chain })
    return true
  }
}

export type CatchUp = ReturnType<typeof createCatchUp>

function upToOwnEnd(page: StoredEvent[], { principal: { credential } }: Session) {
  if (credential?.kind !== 'key') return { page }
  for (const [at, stored] of page.entries()) {
    const end = keyEndOf(stored)
    if (end?.key_id === credential.id) return { page: page.slice(0, at + 1), end: closingOf(end.reason) }
  }
  return { page }
}
