import { kindWord, type Who } from '../names.ts'
import { oneLine } from '../untrusted-text.ts'
import { Icon } from './icon.tsx'
import { Untrusted } from './untrusted.tsx'

const NAME_CHARACTERS = 60

/** A name with what its bearer is, as icon and word: an agent that calls itself a human stays an agent. */
export function WhoName({ who }: { who: Who }) {
  return (
    <span class={`who who-${who.kind}`}>
      <Icon name={who.kind} />
      <bdi class="who-name">
        <Untrusted text={oneLine(who.name, NAME_CHARACTERS)} />
      </bdi>
      <span class="who-kind">{who.isMe ? 'You' : kindWord[who.kind]}</span>
    </span>
  )
}

export function BareName({ who }: { who: Who }) {
  return (
    <bdi>
      <Untrusted text={oneLine(who.name, NAME_CHARACTERS)} />
    </bdi>
  )
}
