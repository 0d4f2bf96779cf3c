import { hubState } from '../../account/session.ts'
import type { Outgoing, Unsent } from '../../room/outgoing.ts'
import type { RoomStore } from '../../room/room-store.ts'
import { Icon } from '../icon.tsx'
import { LongText } from '../timeline/long-text.tsx'
import { NoteMark } from '../timeline/message-row.tsx'

/** What is not part of the log: on its way, or refused and waiting for its author's word. */
export function OutgoingList({ store }: { store: RoomStore }) {
  const outgoing = store.outgoing.value
  if (outgoing === undefined) return null
  const sending = outgoing.sending.value
  const unsent = outgoing.unsent.value
  if (sending.length + unsent.length === 0) return null
  return (
    <ul class="outgoing" aria-label="Messages that are not sent yet">
      {sending.map((message) => (
        <OutgoingItem key={message.key} message={message}>
          <Icon name="clock" />
          <span>{hubState.value === 'live' ? 'Sending' : 'Not sent yet. It goes out when the connection is back.'}</span>
        </OutgoingItem>
      ))}
      {unsent.map((message) => (
        <OutgoingItem key={message.key} message={message} isRefused>
          <Icon name="alert" />
          <span>Not sent. {message.because}</span>
          <UnsentButtons message={message} store={store} />
        </OutgoingItem>
      ))}
    </ul>
  )
}

function OutgoingItem({ message, isRefused, children }: { message: Outgoing; isRefused?: boolean; children: preact.ComponentChildren }) {
  return (
    <li class={`row message mine ${message.visibility === 'staff' ? 'note' : ''} ${isRefused ? 'refused' : 'sending'}`}>
      {message.visibility === 'staff' && <NoteMark />}
      <LongText text={message.body} keep="first" lines={40} />
      <p class="outgoing-state">{children}</p>
    </li>
  )
}

function UnsentButtons({ message, store }: { message: Unsent; store: RoomStore }) {
  const outgoing = store.outgoing.value
  return (
    <>
      <button type="button" class="link" onClick={() => outgoing?.retry(message)}>
        Retry
      </button>
      <button type="button" class="link" onClick={() => outgoing?.discard(message)}>
        Discard
      </button>
    </>
  )
}
