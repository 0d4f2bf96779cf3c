import { useSignal } from '@preact/signals'
import { apiText, toRefused } from '../../api.ts'
import { type CallFold, isEnded } from '../../room/call-fold.ts'
import type { RoomStore } from '../../room/room-store.ts'
import { jsonLine, jsonText, oneLine, sizeName } from '../../untrusted-text.ts'
import { Untrusted } from '../untrusted.tsx'
import { LongText } from './long-text.tsx'

/** What came of a call: the text as it streams, then its result or its error. */
export function CallOutput({ call, store }: { call: CallFold; store: RoomStore }) {
  return (
    <>
      <StreamedText call={call} store={store} />
      {call.error && (
        <p class="call-error">
          <code>
            <Untrusted text={oneLine(call.error.code, 100)} />
          </code>{' '}
          <Untrusted text={oneLine(call.error.message, 600)} />
        </p>
      )}
      {call.reason !== undefined && (
        <p class="call-reason">
          Reason: <Untrusted text={oneLine(call.reason, 400)} />
        </p>
      )}
      {call.output !== undefined && call.output !== null && (
        <details class="call-part">
          <summary>
            <span class="call-part-name">Result</span>
            <code dir="auto">
              <Untrusted text={jsonLine(call.output, 140)} />
            </code>
          </summary>
          <LongText text={jsonText(call.output)} keep="first" lines={60} class="mono" />
        </details>
      )}
    </>
  )
}

/** Live text as it comes; that of a call which ended before the page was opened is fetched when asked for. */
function StreamedText({ call, store }: { call: CallFold; store: RoomStore }) {
  const live = store.textOf(call.call_id).value
  const fetched = useSignal<string | undefined>(undefined)
  const fault = useSignal<string | undefined>(undefined)
  const isEndedCall = isEnded(call)
  const text = isEndedCall ? (fetched.value ?? live) : live
  if (text !== undefined && text !== '') {
    return (
      <div class="stream" aria-busy={!isEndedCall}>
        <LongText text={text} keep={isEndedCall ? 'first' : 'last'} lines={12} class="mono" />
      </div>
    )
  }
  if (!isEndedCall || call.stream === undefined) return null
  const { bytes } = call.stream

  async function show(): Promise<void> {
    try {
      fault.value = undefined
      fetched.value = await apiText(`/contracts/${encodeURIComponent(store.contract_id)}/calls/${encodeURIComponent(call.call_id)}/text`)
    } catch (thrown) {
      fault.value = toRefused(thrown).title
    }
  }

  return (
    <p class="call-stored">
      <button type="button" class="link" onClick={show}>
        Show streamed output ({sizeName(bytes)})
      </button>
      {fault.value !== undefined && <span role="status"> {fault.value}</span>}
    </p>
  )
}
