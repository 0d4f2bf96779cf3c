import type { CallView, Member, RoomView, ToolView } from '../../../../shared/protocol/index.ts'
import { createSharedReads } from '../../../pipeline/store/shared-reads.ts'
import type { RoomModels } from '../model.ts'
import type { Connected, Presence } from '../presence/presence.ts'

export interface Party {
  id: string
  kind: 'user' | 'agent'
  name: string
}

export interface DescribeDeps {
  models: RoomModels
  presence: Presence
  parties(ids: string[]): Promise<Map<string, Party>>
  toolsOf(agent_id: string): Promise<ToolView[]>
  /** The text of a running call's stream so far. */
  textOf(call_id: string): { text: string; next_seq: number } | undefined
}

export interface Described {
  /** The room with what lies over the fold. */
  overlay(room: RoomView): RoomView
  /** Who is connected, as late as it can be known. */
  presence(): Connected
}

/** A call's text so far is in the view up to this length, and as long as those of all calls together are not more than the second. */
const LONGEST_TEXT = 65_536
const LONGEST_TEXTS = 262_144

/** What lies over the fold: reads what must be read first, so that the rest can be put together between two events. */
export function createDescribeRoom({ models, presence, parties, toolsOf, textOf }: DescribeDeps) {
  // Everyone in a room comes back at once when a node was away, and asks the same.
  const readFacts = createSharedReads({
    nameOf: (contract_id: string, _contract: NonNullable<RoomView['contract']>) => contract_id,
    read: async (contract_id, { requester_id, provider_id }) => {
      const [people, tools, cursors] = await Promise.all([
        parties([requester_id, provider_id]),
        toolsOf(provider_id),
        models.cursors.find({ contract_id }).toArray(),
      ])
      return { people, tools, cursors }
    },
  })

  return async function describeRoom(contract_id: string, contract: NonNullable<RoomView['contract']>): Promise<Described> {
    const [{ people, tools, cursors }, asked] = await Promise.all([readFacts(contract_id, contract), presence.snapshot(contract_id)])
    const cursorOf = new Map(cursors.map(({ principal_id, seq }) => [principal_id, seq]))
    const provider_kind = people.get(contract.provider_id)?.kind ?? 'agent'

    const connected = () => presence.now?.(contract_id) ?? asked

    return { overlay, presence: connected }

    function overlay(room: RoomView): RoomView {
      return {
        ...room,
        // Before the first event nobody holds it; whoever folds on from there must come to the same room.
        floor: room.contract === null || room.floor.holder === contract.provider_id ? { ...room.floor, kind: provider_kind } : room.floor,
        members: members(),
        tools,
        calls: room.calls.map(withText()),
      }
    }

    /** Of a long text only where it stands: who wants it reads it by its own route, and a slow line gets into the room. */
    function withText() {
      let left = LONGEST_TEXTS
      return (call: CallView): CallView => {
        const { text, next_seq } = textOf(call.call_id) ?? {}
        if (text === undefined || next_seq === undefined) return call
        if (text.length > Math.min(left, LONGEST_TEXT)) return { ...call, next_seq }
        left -= text.length
        return { ...call, text, next_seq }
      }
    }

    function members(): Member[] {
      const present = new Map(connected().members.map((member) => [member.id, member]))
      const roles = [
        { id: contract.requester_id, role: 'requester' },
        { id: contract.provider_id, role: 'provider' },
      ] as const
      const parties = roles.map(({ id, role }): Member => {
        const { kind, name } = people.get(id) ?? { kind: 'user', name: undefined }
        return { id, kind, role, ...(name === undefined ? {} : { name }), connected: present.has(id), ...cursor(id) }
      })
      const others = [...present.values()].filter(({ id }) => id !== contract.requester_id && id !== contract.provider_id)
      return [...parties, ...others.map((member) => ({ ...member, ...cursor(member.id) }))]
    }

    function cursor(id: string): { cursor: number } | Record<string, never> {
      const seq = cursorOf.get(id)
      return seq === undefined ? {} : { cursor: seq }
    }
  }
}

export type DescribeRoom = ReturnType<typeof createDescribeRoom>
