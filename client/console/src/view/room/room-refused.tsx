import type { RefusedError } from '../../../../sdk/index.ts'
import { fixText } from '../../fix-text.ts'

export function RoomRefused({ error }: { error: RefusedError }) {
  const isUnknown = error.code === 'NOT_FOUND' || error.code === 'FRAME_INVALID'
  return (
    <main class="room room-none">
      <h1>{isUnknown ? 'No such room' : 'You cannot see this room'}</h1>
      <p>
        {isUnknown
          ? 'There is no contract with this address, or you are no party to it: the hub does not say which.'
          : `${error.title}. ${fixText(error)}`}
      </p>
      {error.correlation_id !== '' && (
        <p class="request-id">
          Request <code>{error.correlation_id}</code>
        </p>
      )}
      <p>
        <a href="/app/rooms">All rooms</a>
      </p>
    </main>
  )
}
