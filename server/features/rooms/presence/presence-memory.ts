import type { Member } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'
import { audienceOf, type Broadcast } from '../../../pipeline/session.ts'
import { type Connected, GRACE_MS, MOST_LISTED, type Presence, type Seat, TYPING_MS } from './presence.ts'
import { type Changes, createPresenceNews } from './presence-news.ts'

interface Present {
  member: Member
  devices: Set<string>
  cancelLeave?: (() => void) | undefined
  cancelTyping?: (() => void) | undefined
}

interface Room {
  version: number
  /** It was last told how many are there, not who. */
  isCrowd: boolean
  present: Map<string, Present>
}

/** Presence of one node, in memory. */
export function createMemoryPresence({ clock, broadcast }: { clock: Clock; broadcast: Broadcast }): Presence {
  const rooms = new Map<string, Room>()
  const news = createPresenceNews({ clock, tell })

  function enter({ contract_id, member, device }: Seat): void {
    const room = rooms.get(contract_id) ?? { version: 0, isCrowd: false, present: new Map() }
    rooms.set(contract_id, room)
    const present = room.present.get(member.id)
    if (present !== undefined) {
      present.devices.add(device)
      present.cancelLeave?.()
      present.cancelLeave = undefined
      return
    }
    const shown = { ...member, connected: true }
    room.present.set(member.id, { member: shown, devices: new Set([device]) })
    news.joined(contract_id, shown)
  }

  function exit({ contract_id, device, principal_id, at_once }: Parameters<Presence['exit']>[0]): void {
    const room = rooms.get(contract_id)
    const present = room?.present.get(principal_id)
    if (room === undefined || present === undefined || !present.devices.delete(device) || present.devices.size > 0) return
    const leave = () => {
      present.cancelTyping?.()
      room.present.delete(principal_id)
      news.left(contract_id, principal_id)
    }
    if (at_once) leave()
    else present.cancelLeave = clock.after(GRACE_MS, leave)
  }

  function change(contract_id: string, principal_id: string, changes: Partial<Pick<Member, 'typing' | 'cursor'>>): void {
    const present = rooms.get(contract_id)?.present.get(principal_id)
    if (present === undefined) return
    present.member = { ...present.member, ...changes }
    if (changes.typing === true) {
      present.cancelTyping?.()
      present.cancelTyping = clock.after(TYPING_MS, () => change(contract_id, principal_id, { typing: false }))
    }
    news.changed(contract_id, present.member)
  }

  function posted(contract_id: string, principal_id: string): void {
    const present = rooms.get(contract_id)?.present.get(principal_id)
    if (present?.member.typing !== true) return
    present.cancelTyping?.()
    change(contract_id, principal_id, { typing: false })
  }

  function tell(contract_id: string, changes: Changes): void {
    const room = rooms.get(contract_id)
    if (room === undefined) return
    room.version++
    const count = room.present.size
    const wasCrowd = room.isCrowd
    room.isCrowd = count > MOST_LISTED
    // Nobody has followed who came and went in the crowd.
    const lists = wasCrowd ? { snapshot: membersOf(room) } : changes
    broadcast(audienceOf.ephemeral(contract_id), 'presence', {
      contract_id,
      version: room.version,
      ...(room.isCrowd ? { count } : lists),
    })
    if (count === 0) rooms.delete(contract_id)
  }

  function now(contract_id: string): Connected {
    const room = rooms.get(contract_id)
    return { version: room?.version ?? 0, members: room === undefined ? [] : membersOf(room) }
  }

  function close(): void {
    news.close()
    for (const { present } of rooms.values()) {
      for (const { cancelLeave, cancelTyping } of present.values()) {
        cancelLeave?.()
        cancelTyping?.()
      }
    }
    rooms.clear()
  }

  return { enter, exit, change, posted, snapshot: async (contract_id) => now(contract_id), now, close }
}

function membersOf({ present }: Room): Member[] {
  return [...present.values()].map(({ member }) => member)
}
