import type { Member } from '../../../../../shared/protocol/index.ts'
import { isHearing } from '../../connection.ts'
import { kindWord, whoIs } from '../../names.ts'
import type { RoomStore } from '../../room/room-store.ts'
import { Icon } from '../icon.tsx'
import { BareName } from '../who-name.tsx'

/** Who is a party, who is here, and whether they are connected now. */
export function PresenceList({ store }: { store: RoomStore }) {
  const { members } = store.view.value
  const sorted = [...members].sort((a, b) => Number(b.connected) - Number(a.connected))
  return (
    <ul class="presence" aria-label="In this room">
      {sorted.map((member) => (
        <li key={member.id} class={member.connected && isHearing.value ? 'is-here' : 'is-away'}>
          <Presence member={member} />
        </li>
      ))}
    </ul>
  )
}

function hereOrAway(connected: boolean): string {
  if (!connected) return ', away'
  return isHearing.value ? ', here' : ', was here'
}

function Presence({ member }: { member: Member }) {
  const who = whoIs(member.id, member.kind)
  return (
    <span class={`who who-${member.kind}`} title={`${kindWord[member.kind]}, ${member.role}`}>
      <Icon name={member.kind} />
      <BareName who={who} />
      <span class="who-kind">
        {who.isMe ? 'you' : member.role}
        {hereOrAway(member.connected)}
      </span>
    </span>
  )
}
