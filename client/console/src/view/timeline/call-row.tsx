import type { CallState } from '../../../../../shared/protocol/index.ts'
import { whoIs } from '../../names.ts'
import { type CallFold, isEnded } from '../../room/call-fold.ts'
import { refuseUnlessLive } from '../../room/refuse-unless-live.ts'
import type { RoomStore } from '../../room/room-store.ts'
import type { Row } from '../../room/rows.ts'
import { durationName } from '../../time.ts'
import { jsonLine, jsonText, oneLine, plainName, plainText } from '../../untrusted-text.ts'
import { DialogButton } from '../dialog-button.tsx'
import { Icon, type IconName } from '../icon.tsx'
import { Untrusted } from '../untrusted.tsx'
import { BareName } from '../who-name.tsx'
import { Article, EventTime } from './article.tsx'
import { CallOutput } from './call-output.tsx'
import { Elapsed } from './elapsed.tsx'
import { LongText } from './long-text.tsx'

interface StateLook {
  icon: IconName
  word: string
  tone: 'waiting' | 'accent' | 'ok' | 'danger' | 'muted'
}

const looks: Record<CallState, StateLook> = {
  requested: { icon: 'clock', word: 'Waiting for the agent', tone: 'waiting' },
  approved: { icon: 'clock', word: 'Approved, waiting for the agent', tone: 'waiting' },
  running: { icon: 'busy', word: 'Running', tone: 'accent' },
  succeeded: { icon: 'check', word: 'Succeeded', tone: 'ok' },
  failed: { icon: 'cross', word: 'Failed', tone: 'danger' },
  canceled: { icon: 'cross', word: 'Canceled', tone: 'muted' },
  timed_out: { icon: 'clock', word: 'Timed out', tone: 'danger' },
  abandoned: { icon: 'alert', word: 'Abandoned', tone: 'danger' },
  denied: { icon: 'cross', word: 'Denied', tone: 'danger' },
  expired: { icon: 'clock', word: 'Expired', tone: 'muted' },
}

function lookOf({ state, request, isCancelRequested }: CallFold): StateLook {
  if (state === 'requested' && request?.requires_approval) return { ...looks.requested, word: 'Waiting for approval' }
  if (isCancelRequested && state === 'running') return { ...looks.running, word: 'Canceling' }
  return looks[state]
}

/** All events of one call, as one card. */
export function CallRow({ row, store }: { row: Extract<Row, { kind: 'call' }>; store: RoomStore }) {
  const { call } = row
  const { contract_id } = store
  const look = lookOf(call)
  const tool = oneLine(call.tool ?? 'a tool', 64)
  const summary = call.request && jsonLine(call.request.input, 140)
  return (
    <Article row={row} contract_id={contract_id} class="call" label={`Call of ${plainText(tool)}, ${look.word}`} isFloating={!call.request}>
      <div class={`card tone-${look.tone}`}>
        <header class="call-head">
          <Icon name="tool" />
          <code class="call-tool" dir="auto">
            <Untrusted text={tool} />
          </code>
          <span class="call-state">
            <Icon name={look.icon} />
            {look.word}
            <CallDuration call={call} />
          </span>
          <EventTime contract_id={contract_id} seq={row.seq} at={call.at} />
        </header>
        {call.request && (
          <p class="call-by">
            Called by <BareName who={whoIs(call.request.by.id, call.request.by.kind)} />
          </p>
        )}
        {call.request !== undefined && hasContent(call.request.input) && (
          <details class="call-part">
            <summary>
              <span class="call-part-name">Input</span>
              <code dir="auto">
                <Untrusted text={summary ?? ''} />
              </code>
            </summary>
            <LongText text={jsonText(call.request.input)} keep="first" lines={60} class="mono" />
          </details>
        )}
        <CallOutput call={call} store={store} />
        <CancelButton call={call} store={store} />
      </div>
    </Article>
  )
}

/** Stops a call that goes on. The agent is told; what it answers before it stops still counts. */
function CancelButton({ call, store }: { call: CallFold; store: RoomStore }) {
  const role = store.role.value
  const isOpen = store.view.value.contract?.state === 'open' && !isEnded(call) && !call.isCancelRequested
  if (!isOpen || role === undefined || role === 'owner') return null
  const tool = plainName(call.tool ?? 'a tool')
  return (
    <DialogButton
      {...{ label: 'Cancel…', ariaLabel: `Cancel the call of ${tool}`, title: `Cancel the call of ${tool}?`, isDanger: true }}
      {...{ does: 'Cancel the call', doing: 'Canceling…', keeps: 'Let it go on' }}
      act={async () => {
        refuseUnlessLive(store)
        await store.room?.cancel(call.call_id)
        return undefined
      }}
    >
      <p>The agent is told to stop. What it answers before that still counts.</p>
    </DialogButton>
  )
}

function CallDuration({ call }: { call: CallFold }) {
  if (!isEnded(call)) return call.started_at === undefined ? null : <Elapsed since={call.started_at} />
  const from = call.started_at ?? call.request?.at
  if (from === undefined || call.ended_at === undefined) return null
  return <span class="call-time">{durationName(Date.parse(call.ended_at) - Date.parse(from))}</span>
}

function hasContent(input: unknown): boolean {
  if (typeof input === 'object' && input !== null) return Object.keys(input).length > 0
  return input !== undefined && input !== null
}
