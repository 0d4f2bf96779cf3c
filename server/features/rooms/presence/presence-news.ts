import type { Member } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'

const COALESCE_MS = 250

export interface Changes {
  joined?: Member[]
  left?: string[]
  changed?: Member[]
}

/** Gathers what changes in a room for a moment, so that a wave of reconnects is one message and not hundreds. */
export function createPresenceNews({ clock, tell }: { clock: Clock; tell(contract_id: string, changes: Changes): void }) {
  interface Pending {
    joined: Map<string, Member>
    left: Set<string>
    changed: Map<string, Member>
    cancel(): void
  }
  const rooms = new Map<string, Pending>()

  function pendingOf(contract_id: string): Pending {
    const known = rooms.get(contract_id)
    if (known !== undefined) return known
    const pending: Pending = {
      joined: new Map(),
      left: new Set(),
      changed: new Map(),
      cancel: clock.after(COALESCE_MS, () => flush(contract_id)),
    }
    rooms.set(contract_id, pending)
    return pending
  }

  function flush(contract_id: string): void {
    const pending = rooms.get(contract_id)
    rooms.delete(contract_id)
    if (pending === undefined) return
    const { joined, left, changed } = pending
    if (joined.size + left.size + changed.size === 0) return
    tell(contract_id, {
      ...(joined.size > 0 ? { joined: [...joined.values()] } : {}),
      ...(left.size > 0 ? { left: [...left] } : {}),
      ...(changed.size > 0 ? { changed: [...changed.values()] } : {}),
    })
  }

  return {
    joined(contract_id: string, member: Member): void {
      const pending = pendingOf(contract_id)
      // Gone and back within the moment: for the others it has only changed.
      if (pending.left.delete(member.id)) pending.changed.set(member.id, member)
      else pending.joined.set(member.id, member)
    },
    left(contract_id: string, id: string): void {
      const pending = pendingOf(contract_id)
      pending.changed.delete(id)
      // Told even of one whose coming was not: a snapshot in between may have shown it.
      pending.joined.delete(id)
      pending.left.add(id)
    },
    changed(contract_id: string, member: Member): void {
      const pending = pendingOf(contract_id)
      if (pending.joined.has(member.id)) pending.joined.set(member.id, member)
      else pending.changed.set(member.id, member)
    },
    close(): void {
      for (const { cancel } of rooms.values()) cancel()
      rooms.clear()
    },
  }
}
