import { setTimeout as delay } from 'node:timers/promises'
import { io, type Socket } from 'socket.io-client'
import type { WireEvent } from '../../../shared/protocol/index.ts'
import type { Person } from '../people.ts'
import type { Random } from '../random.ts'
import type { History } from './history.ts'
import { openWire } from './wire.ts'

const IN_FLIGHT = 5
/** Below the hub's 100 frames a second, with room for what is sent again. */
const PACE_MS = 15
const ACK_MS = 8_000

export interface PosterOptions {
  person: Person
  rooms: readonly string[]
  /** Where to connect now: it may change from one connection to the next. */
  url(): string
  /** A second hub to which a frame is sent too, in the same moment, now and then. */
  secondUrl?(): string
  history: History
  random: Random
}

export interface Poster {
  /** Ends its connection as a cut wire does. */
  cut(): void
  /** Stops making new frames, and resolves when all that it sent are acknowledged. */
  finish(): Promise<void>
  /** Ends it as it is: what is not acknowledged stays so. */
  stop(): void
}

interface Frame {
  contract_id: string
  key: string
  body: string
}

/**
 * A client as a careful one is: its own key for each frame, some unacknowledged in flight, all of these again in order after each
 * reconnect, and from each room the events behind the last one it saw.
 */
export function startPoster({ person, rooms, url, secondUrl, history, random }: PosterOptions): Poster {
  const outbox: Frame[] = []
  const places = new Map<string, { seq: number; epoch: string }>()
  let made = 0
  let isFinishing = false
  let isStopped = false
  let socket: Socket | undefined
  const running = run()

  async function run(): Promise<void> {
    while (!isStopped && (!isFinishing || outbox.length > 0)) {
      try {
        await live()
      } catch {
        // The hub is away or the wire was cut: it comes again, with what is not acknowledged.
      }
      socket?.disconnect()
      await delay(20 + random.below(60))
    }
  }

  /** One connection, as long as it lasts. */
  async function live(): Promise<void> {
    const { socket: mine, lost } = openWire(url(), person)
    socket = mine
    await Promise.race([lost, new Promise<void>((resolve) => mine.once('connect', resolve))])
    await Promise.race([lost, watchRooms(mine)])
    const sent = new Map<Frame, Promise<void>>()
    while (!isFinishing || outbox.length > 0) {
      if (!isFinishing && outbox.length < IN_FLIGHT) makeFrame()
      for (const frame of outbox) if (!sent.has(frame)) sent.set(frame, watched(post(mine, frame)))
      const [first] = outbox
      if (outbox.length >= IN_FLIGHT || isFinishing) await Promise.race([lost, first && sent.get(first)])
      await Promise.race([lost, delay(PACE_MS)])
    }
  }

  async function watchRooms(mine: Socket): Promise<void> {
    const watchers = new Map<string, (events: readonly WireEvent[]) => void>()
    mine.on('events', (batch: { contract_id: string; epoch: string; last: number; events: WireEvent[] }) => {
      watchers.get(batch.contract_id)?.(batch.events)
      places.set(batch.contract_id, { seq: batch.last, epoch: batch.epoch })
    })
    for (const contract_id of rooms) {
      const place = places.get(contract_id)
      // The first events can arrive in the same turn as the acknowledgement, before whoever awaits it goes on.
      const early: WireEvent[] = []
      watchers.set(contract_id, (events) => void early.push(...events))
      const ask = { contract_id, ...(place === undefined ? {} : { since: place.seq, epoch: place.epoch }) }
      const joined = await mine.timeout(ACK_MS).emitWithAck('room.join', ask)
      if (!joined.ok) throw new Error(joined.error.code)
      const watch = history.watch(person.id, contract_id, place?.seq ?? joined.head)
      watch(early)
      watchers.set(contract_id, watch)
      if (!places.has(contract_id)) places.set(contract_id, { seq: joined.head, epoch: joined.epoch })
    }
  }

  function makeFrame(): void {
    const frame = { contract_id: rooms[random.below(rooms.length)] ?? '', key: `k${made}`, body: `${person.id} says ${made}` }
    made++
    outbox.push(frame)
    history.sent(frame.contract_id, person.id, frame)
  }

  /** Sends it until this connection answers it. */
  async function post(mine: Socket, frame: Frame): Promise<void> {
    const twin = secondUrl !== undefined && random.below(8) === 0 ? postElsewhere(secondUrl(), frame) : undefined
    for (;;) {
      const answer = await mine.timeout(ACK_MS).emitWithAck('message.post', frame)
      if (answer.ok) {
        history.acked(frame.contract_id, person.id, { ...frame, ...answer })
        break
      }
      if (answer.error.retry !== 'later') throw new Error(`${frame.key} was refused: ${answer.error.code}`)
      history.putOff(frame.contract_id, person.id, frame.key)
      await delay(50)
    }
    await twin
    const at = outbox.indexOf(frame)
    if (at !== -1) outbox.splice(at, 1)
  }

  /** Two connections keep no order between them, so the frame may pass those before it. */
  async function postElsewhere(where: string, frame: Frame): Promise<void> {
    history.putOff(frame.contract_id, person.id, frame.key)
    const other = io(`${where}/rooms`, { auth: person.auth, transports: ['websocket'], forceNew: true, reconnection: false })
    try {
      const refused = new Promise<never>((_, reject) => other.once('connect_error', reject))
      const answer = await Promise.race([refused, other.timeout(ACK_MS).emitWithAck('message.post', frame)])
      if (answer.ok) history.acked(frame.contract_id, person.id, { ...frame, ...answer })
    } catch {
      // The first connection goes on with it.
    } finally {
      other.disconnect()
    }
  }

  /** Only the first of a connection's frames is waited for; the others end with it. */
  function watched(posted: Promise<void>): Promise<void> {
    posted.catch(() => undefined)
    return posted
  }

  return {
    cut: () => socket?.io.engine.close(),
    finish: async () => {
      isFinishing = true
      await running
      socket?.disconnect()
    },
    stop: () => {
      isStopped = true
      isFinishing = true
      socket?.disconnect()
    },
  }
}
