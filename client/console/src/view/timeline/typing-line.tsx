import { whoIs } from '../../names.ts'
import type { RoomStore } from '../../room/room-store.ts'
import { BareName } from '../who-name.tsx'

const MOST_NAMED = 3

/** Its height does not change, so that the timeline does not jump when someone begins to type. */
export function TypingLine({ store }: { store: RoomStore }) {
  const typing = store.view.value.members.map((member) => ({ member, who: whoIs(member.id, member.kind) }))
  // Without a connection nobody knows whether they still do.
  const others = typing.filter(({ member, who }) => store.isLive.value && member.typing && member.connected && !who.isMe)
  return (
    <p class="typing">
      {others.slice(0, MOST_NAMED).map(({ member, who }, at) => (
        <span key={member.id}>
          {at > 0 && ', '}
          <BareName who={who} />
        </span>
      ))}
      {others.length > MOST_NAMED && ' and others'}
      {others.length > 0 && (others.length === 1 ? ' is typing…' : ' are typing…')}
    </p>
  )
}
