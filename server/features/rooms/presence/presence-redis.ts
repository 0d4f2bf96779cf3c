import type { RedisClientType } from 'redis'
import type { Member } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'
import type { Background } from '../../../pipeline/background/background.ts'
import { audienceOf, type Broadcast } from '../../../pipeline/session.ts'
import { type Connected, GRACE_MS, MOST_LISTED, type Presence, type Seat, TYPING_MS } from './presence.ts'
import { type Changes, createPresenceNews } from './presence-news.ts'
import { CHANGE, EXIT, HOLD, SNAPSHOT, TELL } from './presence-scripts.ts'

/** A seat that its node does not renew is given up: the node is dead. */
const LEASE_MS = 30_000
const RENEW_EVERY_MS = 10_000
/** A Redis that hangs must not hold up a join or the end of the hub. */
const ANSWER_MS = 500
const MOST_SEATS_AT_ONCE = 500

export interface RedisPresenceDeps {
  redis: RedisClientType
  clock: Clock
  broadcast: Broadcast
  background: Background
}

/**
 * Presence of several nodes: seats are leases in Redis, so those of a dead node end by themselves. What is told is read in the same
 * step as its version, so that of two nodes' words the later one is right. Without Redis nobody is seen, and nothing else suffers.
 */
export function createRedisPresence({ redis, clock, broadcast, background }: RedisPresenceDeps): Presence {
  const own = new Map<string, Seat>()
  const leaving = new Map<string, () => void>()
  const typing = new Map<string, () => void>()
  const news = createPresenceNews({
    clock,
    tell: (contract_id, changes) => run('presence was not told', () => tell(contract_id, changes)),
  })
  let isClosed = false
  let cancelRenewal = renewLater()
  // Back after an outage, or emptied: who sits here is there at once, and not only at the next renewal.
  redis.on('ready', renew)

  const seatsKey = (contract_id: string) => `parley:seats:{${contract_id}}`
  const membersKey = (contract_id: string) => `parley:members:{${contract_id}}`
  const versionKey = (contract_id: string) => `parley:presence:{${contract_id}}`
  const crowdKey = (contract_id: string) => `parley:crowd:{${contract_id}}`
  const nameOf = ({ contract_id, device }: Pick<Seat, 'contract_id' | 'device'>) => `${contract_id} ${device}`
  const lead = () => String(clock.now() - Date.now())

  /** While Redis is away there is nothing to tell, and its absence is told elsewhere. */
  function run(what: string, work: () => Promise<unknown>): void {
    if (!redis.isReady || isClosed) return
    const unlessGone = work().catch((cause: unknown) => {
      if (redis.isReady && !isClosed) throw cause
    })
    background.run(what, unlessGone)
  }

  function script(text: string, keys: string[], args: string[]): Promise<string[]> {
    return redis.eval(text, { keys, arguments: args }) as Promise<string[]>
  }

  function enter(seat: Seat): void {
    leaving.get(nameOf(seat))?.()
    leaving.delete(nameOf(seat))
    own.set(nameOf(seat), seat)
    run('a seat was not taken', () => hold(seat.contract_id, [seat], LEASE_MS))
  }

  async function hold(contract_id: string, seats: readonly Seat[], lease_ms: number): Promise<void> {
    for (let at = 0; at < seats.length; at += MOST_SEATS_AT_ONCE) {
      // One that was given up meanwhile must not come back.
      const still = seats.slice(at, at + MOST_SEATS_AT_ONCE).filter((seat) => own.get(nameOf(seat)) === seat)
      const some = still.flatMap(({ member, device }) => {
        return [`${member.id}|${device}`, member.id, JSON.stringify({ ...member, connected: true })]
      })
      const joined = await script(HOLD, [seatsKey(contract_id), membersKey(contract_id)], [lead(), String(lease_ms), ...some])
      for (const member of joined) news.joined(contract_id, JSON.parse(member))
    }
  }

  function exit({ contract_id, device, principal_id, at_once }: Parameters<Presence['exit']>[0]): void {
    const name = nameOf({ contract_id, device })
    if (!own.has(name)) return
    const leave = () => {
      own.delete(name)
      leaving.delete(name)
      run('a seat was not given up', () => giveUp(contract_id, `${principal_id}|${device}`))
    }
    leaving.get(name)?.()
    if (at_once) leave()
    else leaving.set(name, clock.after(GRACE_MS, leave))
  }

  async function giveUp(contract_id: string, seat: string): Promise<void> {
    const gone = await script(EXIT, [seatsKey(contract_id), membersKey(contract_id)], [lead(), seat])
    for (const id of gone) news.left(contract_id, id)
  }

  function change(contract_id: string, principal_id: string, changes: Partial<Pick<Member, 'typing' | 'cursor'>>): void {
    run('a change of a member was not told', () => changeMember(contract_id, principal_id, changes))
    if (changes.typing !== true) return
    const name = `${contract_id} ${principal_id}`
    typing.get(name)?.()
    typing.set(
      name,
      clock.after(TYPING_MS, () => posted(contract_id, principal_id)),
    )
  }

  /** The node that heard of the typing says that it is over: each folds every post. */
  function posted(contract_id: string, principal_id: string): void {
    const name = `${contract_id} ${principal_id}`
    const cancel = typing.get(name)
    if (cancel === undefined) return
    cancel()
    typing.delete(name)
    change(contract_id, principal_id, { typing: false })
  }

  async function changeMember(contract_id: string, principal_id: string, changes: Partial<Member>): Promise<void> {
    const known = await redis.hGet(membersKey(contract_id), principal_id)
    if (known === null || known === undefined) return
    const member: Member = { ...JSON.parse(known), ...changes }
    const changed = await redis.eval(CHANGE, { keys: [membersKey(contract_id)], arguments: [principal_id, JSON.stringify(member)] })
    if (changed === 1) news.changed(contract_id, member)
  }

  async function tell(contract_id: string, { joined = [], left = [], changed = [] }: Changes): Promise<void> {
    const ids = [...new Set([...joined.map(({ id }) => id), ...changed.map(({ id }) => id), ...left])]
    const keys = [versionKey(contract_id), membersKey(contract_id), crowdKey(contract_id)]
    const [version, count, which, ...found] = await script(TELL, keys, [String(MOST_LISTED), ...ids])
    const present = found.filter((text) => text !== '').map((text): Member => JSON.parse(text))
    // Nobody has followed who came and went in the crowd.
    if (which === 'all')
      return broadcast(audienceOf.ephemeral(contract_id), 'presence', { contract_id, version: Number(version), snapshot: present })
    const isNew = new Set(joined.map(({ id }) => id))
    const told = {
      joined: present.filter(({ id }) => isNew.has(id)),
      changed: present.filter(({ id }) => !isNew.has(id)),
      left: ids.filter((_, at) => found[at] === ''),
    }
    const lists = Object.fromEntries(Object.entries(told).filter(([, list]) => list.length > 0))
    const shown = Number(count) > MOST_LISTED ? { count: Number(count) } : lists
    broadcast(audienceOf.ephemeral(contract_id), 'presence', { contract_id, version: Number(version), ...shown })
  }

  async function snapshot(contract_id: string): Promise<Connected> {
    try {
      const keys = [versionKey(contract_id), membersKey(contract_id), seatsKey(contract_id)]
      const answer = await within(ANSWER_MS, script(SNAPSHOT, keys, [lead()]))
      if (answer !== undefined) return { version: Number(answer[0]), members: answer.slice(1).map((text) => JSON.parse(text)) }
    } catch {
      // Redis is away, which is told elsewhere.
    }
    // The node knows those who sit here, and that is better than nobody.
    const here = [...own.values()].filter((seat) => seat.contract_id === contract_id)
    const members = new Map(here.map(({ member }) => [member.id, { ...member, connected: true }]))
    return { version: 0, members: [...members.values()] }
  }

  /** Renews this node's leases, and ends those of dead nodes in the same rooms. */
  function renew(): void {
    for (const [contract_id, seats] of Map.groupBy(own.values(), (seat) => seat.contract_id)) {
      run('seats were not renewed', () => hold(contract_id, seats, LEASE_MS).then(() => giveUp(contract_id, '')))
    }
  }

  function renewLater(): () => void {
    return clock.after(RENEW_EVERY_MS, () => {
      renew()
      cancelRenewal = renewLater()
    })
  }

  /** Who sat here has the grace to come back on another node; after it the others see that it is gone. */
  async function close(): Promise<void> {
    cancelRenewal()
    redis.off('ready', renew)
    news.close()
    for (const cancel of [...leaving.values(), ...typing.values()]) cancel()
    const rooms = [...Map.groupBy(own.values(), (seat) => seat.contract_id)]
    if (redis.isReady) {
      const graces = rooms.map(([contract_id, seats]) => hold(contract_id, seats, GRACE_MS))
      await within(ANSWER_MS, Promise.allSettled(graces))
    }
    isClosed = true
    own.clear()
  }

  return { enter, exit, change, posted, snapshot, close }
}

/** The answer, or undefined when it does not come in time. */
async function within<T>(ms: number, asked: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined)
  })
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}
