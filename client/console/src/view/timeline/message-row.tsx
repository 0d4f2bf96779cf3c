import { kindWord, whoIs } from '../../names.ts'
import type { Row } from '../../room/rows.ts'
import { timeOf } from '../../time.ts'
import { plainText } from '../../untrusted-text.ts'
import { Icon } from '../icon.tsx'
import { WhoName } from '../who-name.tsx'
import { Article, EventTime } from './article.tsx'
import { LongText } from './long-text.tsx'

export function MessageRow({ row, contract_id }: { row: Extract<Row, { kind: 'message' }>; contract_id: string }) {
  const { event, isGrouped } = row
  const who = whoIs(event.by.id, event.by.kind)
  const isNote = event.data.visibility === 'staff'
  const label = `${isNote ? 'Note' : 'Message'} from ${plainText(who.name)}, ${who.isMe ? 'you' : kindWord[who.kind]}, ${timeOf(event.at)}`
  const kind = `message ${who.isMe ? 'mine' : ''} ${isNote ? 'note' : ''} ${isGrouped ? 'grouped' : ''}`
  return (
    <Article row={row} contract_id={contract_id} class={kind} label={label}>
      <header class="row-head">
        {!isGrouped && <WhoName who={who} />}
        {isNote && !isGrouped && <NoteMark />}
        <EventTime contract_id={contract_id} seq={event.seq} at={event.at} />
      </header>
      <LongText text={event.data.body} keep="first" lines={40} />
    </Article>
  )
}

export function NoteMark() {
  return (
    <span class="note-mark">
      <Icon name="note" />
      Only staff
    </span>
  )
}
