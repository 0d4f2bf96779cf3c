import type { CallView, Member, Push, RoomView, WireEvent } from '../../../shared/protocol/index.ts'

/** Lays over the folded room what is not history. Each returns a new view. */

export function withPresence(view: RoomView, { snapshot, joined = [], left = [], changed = [] }: Push<'presence'>): RoomView {
  const members = new Map<string, Member>(view.members.map((member) => [member.id, member]))
  const present = snapshot && new Set(snapshot.map(({ id }) => id))
  const gone = present ? [...members.keys()].filter((id) => !present.has(id)) : left
  for (const member of [...(snapshot ?? []), ...joined, ...changed]) members.set(member.id, { ...members.get(member.id), ...member })
  for (const id of gone) {
    const member = members.get(id)
    // A party belongs to the room whether it is here or not: presence lists only those who are.
    if (member && isParty(view, id)) members.set(id, { ...member, connected: false, typing: false })
    else members.delete(id)
  }
  return { ...view, members: [...members.values()] }
}

/** Who has posted is typing no more, though the word of it comes a moment later. */
export function withPost(view: RoomView, event: WireEvent): RoomView {
  const author = event.type === 'message.posted' ? event.by.id : undefined
  const isDone = ({ id, typing }: Member) => typing === true && id === author
  if (!view.members.some(isDone)) return view
  return { ...view, members: view.members.map((member) => (isDone(member) ? { ...member, typing: false } : member)) }
}

function isParty({ contract }: RoomView, id: string): boolean {
  return contract !== null && (contract.requester_id === id || contract.provider_id === id)
}

export type ChunkPlace = 'next' | 'seen' | 'ahead' | 'nowhere'

/** Where a chunk stands to what is already there. `nowhere`: no such call is open. */
export function chunkPlace(view: RoomView, { call_id, seq }: Push<'chunk'>): ChunkPlace {
  const call = view.calls.find((candidate) => candidate.call_id === call_id)
  if (call === undefined) return 'nowhere'
  const next = call.next_seq ?? 1
  if (seq === next) return 'next'
  return seq < next ? 'seen' : 'ahead'
}

/** A text that the hub left out for its length stays out: what came behind it would look like the whole. */
export function withChunk(view: RoomView, { call_id, seq, chunk }: Push<'chunk'>): RoomView {
  const isLeftOut = ({ text, next_seq = 1 }: CallView) => text === undefined && next_seq > 1
  const append = (call: CallView): CallView => ({
    ...call,
    ...(isLeftOut(call) ? {} : { text: (call.text ?? '') + chunk }),
    next_seq: seq + 1,
  })
  return { ...view, calls: view.calls.map((call) => (call.call_id === call_id ? append(call) : call)) }
}
