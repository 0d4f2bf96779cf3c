import { type CloseCode, type Frame, ParleyError } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import type { Clock } from '../../core/clock.ts'
import { willPass } from '../../pipeline/background/retry.ts'
import type { Answer, SessionCommand } from '../../pipeline/command.ts'
import type { Peers } from '../../pipeline/peers.ts'
import { audienceOf, type Session } from '../../pipeline/session.ts'
import { type AuditFilters, facetsAsked } from './search.ts'
import { readPlace, type TrailPlace, writePlace } from './trail-place.ts'
import type { Found, TrailReader } from './trail-reader.ts'

export interface FollowTrailDeps {
  reader: TrailReader
  clock: Clock
  peers: Pick<Peers, 'followed'>
  /** Throws the refusal of who may not read this, as the store has it now. `ended`: the credential has. */
  standing(principal: Principal, filters: AuditFilters): Promise<{ ended?: { code: CloseCode; reason: string } }>
  onTrouble(what: string, cause: unknown): void
}

interface Follower {
  session: Session
  filters: AuditFilters
  facets: readonly string[]
  place: TrailPlace
  isLive: boolean
  /** When it was told where it is. */
  told_ms: number
  wanted: 'quick' | 'thorough' | undefined
  isRunning: boolean
}

const PAGE_ITEMS = 100
/** Without news a follower is told its place so often, so that it never comes back by an old one. */
const TELL_PLACE_MS = 60_000
/** Between two looks: at least so long, and longer where the database is slow, so that no reader takes more than a quarter of it. */
const REST_MS = 100
const REST_FACTOR = 3
const LONGEST_REST_MS = 5_000

/**
 * The trail, live. A follower is told that something is new, never what: it reads that itself, by its own filters and at its own pace, so one
 * that does not read costs the hub a page, and what the bus loses is found by the next look.
 */
export function createFollowTrail({ reader, clock, peers, standing, onTrouble }: FollowTrailDeps) {
  const followers = new Map<string, Follower>()
  /** Of each connection, what it asked for last: a follow that is still under way when it is undone must not begin. */
  const turns = new Map<string, number>()
  const running = new Set<Promise<void>>()
  const resting = new Set<() => void>()
  let turn = 0
  let isClosed = false

  const isCurrent = (follower: Follower) => followers.get(follower.session.id) === follower && follower.session.isOpen()

  async function follow(session: Session, { cursor, ...filters }: Frame<'audit.follow'>): Promise<Answer<'audit.follow'>> {
    const own = takeTurn(session)
    const facets = facetsAsked(filters, 'FRAME_INVALID')
    if ((await standing(session.principal, filters)).ended !== undefined) throw new ParleyError('UNAUTHENTICATED')
    session.enter(audienceOf.trail)
    await peers.followed()
    const { place, isReset } = await placeOf(cursor, facets)
    const about = { session, filters, facets, place, isLive: false, told_ms: clock.now() }
    return {
      ack: () => ({ cursor: writePlace(place), ...(isReset ? { reset: true as const } : {}) }),
      afterwards: () => {
        if (turns.get(session.id) !== own) return
        const follower: Follower = { ...about, wanted: undefined, isRunning: false }
        followers.set(session.id, follower)
        kick(follower, 'thorough')
      },
    }
  }

  async function placeOf(cursor: string | undefined, facets: readonly string[]): Promise<{ place: TrailPlace; isReset: boolean }> {
    if (cursor === undefined) return { place: await reader.here(facets), isReset: false }
    const place = readPlace(cursor)
    return (await reader.isOfTheLog(place)) ? { place, isReset: false } : { place: await reader.here(facets), isReset: true }
  }

  function takeTurn(session: Session): number {
    const isKnown = turns.has(session.id)
    turns.set(session.id, ++turn)
    if (!isKnown) session.onClose(() => forget(session.id))
    return turn
  }

  function forget(session_id: string): void {
    turns.delete(session_id)
    followers.delete(session_id)
  }

  function kick(follower: Follower, how: 'quick' | 'thorough'): void {
    if (isClosed) return
    if (follower.wanted !== 'thorough') follower.wanted = how
    if (follower.isRunning) return
    follower.isRunning = true
    const run = runWhileWanted(follower)
    running.add(run)
    void run.then(() => running.delete(run))
  }

  async function runWhileWanted(follower: Follower): Promise<void> {
    for (let failures = 0; follower.wanted !== undefined && isCurrent(follower) && !isClosed; ) {
      const isThorough = follower.wanted === 'thorough' || failures > 0
      follower.wanted = undefined
      const began = performance.now()
      try {
        await look(follower, isThorough)
        failures = 0
      } catch (cause) {
        onTrouble('the audit trail was not told to who follows it', cause)
        follower.wanted = 'thorough'
        failures++
      }
      await rest(Math.max(REST_MS * 2 ** failures, (performance.now() - began) * REST_FACTOR))
    }
    // In the same step as the last look at what is wanted.
    follower.isRunning = false
  }

  /** Page by page until there is no more, each when the one before has left. */
  async function look(follower: Follower, isThorough: boolean): Promise<void> {
    const asker_id = follower.session.principal.id
    for (let isDry = false; !isDry && isCurrent(follower); ) {
      const found = await reader.next(follower.place, { asker_id, facets: follower.facets, limit: PAGE_ITEMS, isThorough })
      isDry = found.isDry
      const isDue = isDry && (!follower.isLive || clock.now() - follower.told_ms >= TELL_PLACE_MS)
      if ((found.items.length > 0 || isDue) && !(await tell(follower, found))) return
      follower.place = found.place
    }
  }

  /** Asks who the reader is behind the read: what was recorded after he lost the right to it is never told him. */
  async function tell(follower: Follower, { items: found, place, isDry }: Found): Promise<boolean> {
    const { session, filters } = follower
    if (!(await mayRead(follower, () => standing(session.principal, filters))) || !isCurrent(follower)) return false
    const items = found.toSorted((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at)))
    session.send('audit.events', { items, cursor: writePlace(place), live: isDry })
    follower.isLive ||= isDry
    follower.told_ms = clock.now()
    await session.drained()
    return true
  }

  async function mayRead(follower: Follower, ask: () => ReturnType<FollowTrailDeps['standing']>): Promise<boolean> {
    const { session } = follower
    try {
      const { ended } = await ask()
      if (ended !== undefined) session.close(ended.code, ended.reason)
      return ended === undefined
    } catch (error) {
      if (!(error instanceof ParleyError) || willPass(error)) throw error
      if (isCurrent(follower)) {
        forget(session.id)
        session.exit(audienceOf.trail)
        session.send('audit.ended', { code: error.code })
      }
      return false
    }
  }

  // A real wait even under a hand-moved clock: it is the database's pace, not the product's time.
  function rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        resting.delete(end)
        resolve()
      }
      const timer = setTimeout(end, Math.min(ms, LONGEST_REST_MS))
      resting.add(end)
    })
  }

  const commands = {
    'audit.follow': { kind: 'session', type: 'audit.follow', handle: follow } satisfies SessionCommand<'audit.follow'>,
    'audit.unfollow': {
      kind: 'session',
      type: 'audit.unfollow',
      handle: async (session) => {
        takeTurn(session)
        followers.delete(session.id)
        session.exit(audienceOf.trail)
        return { ack: () => ({}) }
      },
    } satisfies SessionCommand<'audit.unfollow'>,
  }

  return {
    commands,
    /** Something is new, here or on another hub. */
    wake(): void {
      for (const follower of followers.values()) kick(follower, 'quick')
    },
    /** Now and then: what nobody told. */
    sweep(): void {
      for (const follower of followers.values()) kick(follower, 'thorough')
    },
    async close(): Promise<void> {
      isClosed = true
      followers.clear()
      for (const end of [...resting]) end()
      await Promise.all(running)
    },
  }
}
