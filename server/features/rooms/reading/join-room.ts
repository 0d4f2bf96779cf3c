import type { Frame, FrameAck, Limits, RoomView } from '../../../../shared/protocol/index.ts'
import { authorize } from '../../../core/access/authorize.ts'
import { type Principal, seesNotes } from '../../../core/access/principal.ts'
import type { Clock } from '../../../core/clock.ts'
import type { Answer, SessionCommand } from '../../../pipeline/command.ts'
import type { Log } from '../../../pipeline/log/log.ts'
import { streamOf } from '../../../pipeline/log/record.ts'
import type { Stream } from '../../../pipeline/log/stream.ts'
import type { Peers } from '../../../pipeline/peers.ts'
import { audienceOf, type Session } from '../../../pipeline/session.ts'
import { createFairTurns } from '../../../pipeline/store/fair-turns.ts'
import { createSharedReads } from '../../../pipeline/store/shared-reads.ts'
import { MOST_LISTED } from '../presence/presence.ts'
import type { Seats } from '../presence/seats.ts'
import type { CatchUp } from './catch-up.ts'
import type { Described, DescribeRoom } from './describe-room.ts'
import { createJoinAdmission } from './join-admission.ts'

export interface JoinDeps {
  log: Log
  peers: Peers
  /** Counts the join by how it is served. */
  onJoin(kind: Start['kind']): void
  describeRoom: DescribeRoom
  seats: Seats
  catchUp: CatchUp
  /** Throws UNAUTHENTICATED when the credential has ended, by the store. */
  requireGood(principal: Principal): Promise<void>
  /** Puts the stream of the call at hand, so that its text can be read between two events. */
  loadText(call_id: string): Promise<void>
  clock: Clock
  limits: Pick<Limits, 'principal_bytes_per_s'>
}

interface Join {
  frame: Frame<'room.join'>
  stream: string
  turn: number
}

/** What was read for a join. */
interface Approach {
  joined: Stream
  contract: NonNullable<RoomView['contract']>
  described: Described
}

/** Where the replay begins, and the room there or, past a large gap, nearer to the head; undefined = at the head, when the answer is made. */
interface Start {
  kind: 'fresh' | 'replay' | 'snapshot' | 'reset'
  place?: number
  view?: RoomView
}

/** Behind by more than this, a client gets the room folded nearer to the head, so that it need not fold all that it is sent. */
const LONGEST_REPLAY = 20_000
const SNAPSHOT_EVERY = 1_000

/** Lets a connection into a room, from its head or from where it was. After the acknowledgement come the missed events, then `live`. */
export function createJoinRoom({
  log,
  peers,
  onJoin,
  describeRoom,
  seats,
  catchUp,
  requireGood,
  loadText,
  clock,
  limits,
}: JoinDeps): SessionCommand<'room.join'> {
  const admission = createJoinAdmission({ clock, limits })
  const folds = createFairTurns({ at_once: Number.POSITIVE_INFINITY, per_lane: 1 })
  // Only what runs has a text. However many join, a room's are read once for all of them.
  const loadTexts = createSharedReads({
    nameOf: (stream: string) => stream,
    read: async (stream) => {
      const { calls } = (await log.open(stream)).room
      await Promise.all(calls.filter(({ state }) => state === 'running').map(({ call_id }) => loadText(call_id)))
    },
  })

  async function handle(session: Session, frame: Frame<'room.join'>): Promise<Answer<'room.join'>> {
    const { contract_id } = frame
    // Before the first wait: a leave that is sent behind the join finds it.
    const turn = seats.come(session, contract_id)
    try {
      const join = { frame, stream: streamOf(contract_id), turn }
      return await enter(session, join, await approach(session, join))
    } catch (error) {
      seats.giveUp(session, contract_id, turn)
      throw error
    }
  }

  /** Takes the seat, and reads what lies over the fold. */
  async function approach(session: Session, { frame, stream, turn }: Join): Promise<Approach> {
    const { contract_id } = frame
    // A room that was opened after the credential ended does not say so.
    const [{ room }] = await Promise.all([log.refresh(stream), requireGood(session.principal)])
    const role = authorize(room, 'room.join', session.principal)
    // Who left meanwhile gets the answer, and nothing behind it.
    if (seats.take(session, { contract_id, role: role === 'system' ? 'staff' : role, turn })) {
      session.exit(audienceOf.events(contract_id, true))
      session.exit(audienceOf.events(contract_id, false))
      // What is not history is followed from here on; on several nodes this also brings the others' events to this one.
      session.enter(audienceOf.ephemeral(contract_id))
    }
    await peers.followed()
    // With majority, so that a node that lags resets nobody.
    const joined = await log.refresh(stream)
    const { contract } = joined.room
    if (contract === null) throw new Error('a room without a contract let someone in')
    const [described] = await Promise.all([describeRoom(contract_id, contract), loadTexts(stream)])
    return { joined, contract, described }
  }

  async function enter(
    session: Session,
    { frame, stream, turn }: Join,
    { joined, contract, described: { overlay, presence } }: Approach,
  ): Promise<Answer<'room.join'>> {
    const { contract_id } = frame
    const isCurrent = () => seats.isCurrent(session, contract_id, turn)
    // Long logs are folded one at a time for each connection, and not for a join that a newer one or a leave overtook while it waited:
    // it gets the room at its head.
    const lane = `${session.id} ${contract_id}`
    const start: Start = await folds.run(lane, async () => {
      // A room may be large: the next answer is made when what was sent before has left.
      await session.drained()
      return isCurrent() ? startOf(stream, frame) : { kind: 'fresh' }
    })
    await admission.takeTurn(session)
    onJoin(start.kind)
    let known: ReadonlySet<string> = new Set()
    return { ack, afterwards }

    function ack(): FrameAck<'room.join'> {
      const now = log.cached(stream) ?? joined
      start.place ??= now.head
      const view = overlay(start.view ?? now.room)
      known = new Set(view.calls.map(({ call_id }) => call_id))
      return { epoch: log.epoch, head: now.head, chain: now.chain, view }
    }

    // In one step with the acknowledgement: no event can fall between the view and the place where live events begin.
    function afterwards(ack_length: number): void {
      admission.charge(session, ack_length)
      if (!isCurrent()) return
      const { version, members } = presence()
      const shown = members.length > MOST_LISTED ? { count: members.length } : { snapshot: members }
      session.send('presence', { contract_id, version, ...shown })
      if (start.kind === 'reset') {
        seats.giveUp(session, contract_id, turn)
        session.send('reset', { contract_id, epoch: log.epoch })
        return
      }
      const hearsNotes = seesNotes(session.principal, contract)
      catchUp(session, { contract_id, seesNotes: hearsNotes, after: start.place ?? joined.head, known, isCurrent })
    }
  }

  /** Where the replay begins, and the room there. A place that is not of this log is a reset. */
  async function startOf(stream: string, { since, epoch, chain }: Frame<'room.join'>): Promise<Start> {
    if (since === undefined) return { kind: 'fresh' }
    const { head } = await log.open(stream)
    if (since > head || (epoch !== undefined && epoch !== log.epoch)) return { kind: 'reset' }
    const at = await log.roomAt(stream, since)
    if (chain !== undefined && at.chain !== chain) return { kind: 'reset' }
    if (head - since <= LONGEST_REPLAY) return { kind: 'replay', place: since, view: at.room }
    const nearer = Math.floor(head / SNAPSHOT_EVERY) * SNAPSHOT_EVERY
    return { kind: 'snapshot', place: since, view: (await log.roomAt(stream, nearer)).room }
  }

  return { kind: 'session', type: 'room.join', handle }
}
