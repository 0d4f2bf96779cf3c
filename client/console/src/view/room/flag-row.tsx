import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import type { FlagRecord, FlagRefusal, PermissionFlag } from '../../../../../shared/protocol/index.ts'
import { whoIs } from '../../names.ts'
import type { Permitted } from '../../room/permissions.ts'
import { lackText } from '../../room/refusal-words.ts'
import { Icon } from '../icon.tsx'
import { Moment } from '../manage/moment.tsx'
import { BareName } from '../who-name.tsx'

const names = {
  can_message_requester: 'Message the requester',
  can_read_attachments: 'Read attachments',
  can_access_web: 'Use the web',
  can_run_code_sandbox: 'Run code in sandbox',
} as const satisfies Record<PermissionFlag, string>

interface Props {
  flag: PermissionFlag
  shown: Permitted
  maySetContract: boolean
  maySetAgent: boolean
  onSet: (of: 'contract' | 'agent', value: boolean) => Promise<void>
}

/** One permission: whether it is in force, who said what, what used it last, and what was refused for want of it. */
export function FlagRow({ flag, shown, maySetContract, maySetAgent, onSet }: Props) {
  const isAllowed = shown.in_force[flag]
  const record = shown.flags[flag]
  const setAgent = shown.set?.agent?.[flag]
  const byAgent = shown.agent?.[flag]
  return (
    <li class="flag">
      <p class="flag-title">
        <strong>{names[flag]}</strong>
        <span class={`pill tone-${isAllowed ? 'ok' : 'muted'}`}>
          <Icon name={isAllowed ? 'check' : 'cross'} />
          {isAllowed ? 'Allowed' : 'Not allowed'}
        </span>
      </p>
      <Side of="contract" flag={flag} value={shown[flag]} maySet={maySetContract} onSet={onSet}>
        <By record={record} />
      </Side>
      {byAgent !== undefined && (
        <Side of="agent" flag={flag} value={byAgent} maySet={maySetAgent} onSet={onSet}>
          {setAgent === undefined ? (
            'since before this contract'
          ) : (
            <>
              <BareName who={whoIs(setAgent.by.id, setAgent.by.kind)} />, <Moment at={setAgent.at} />
            </>
          )}
        </Side>
      )}
      <p class="muted">
        {record.last_used === null ? (
          'Never used here'
        ) : (
          <>
            Last used <Moment at={record.last_used.at} /> (<code>{record.last_used.what}</code>)
          </>
        )}
      </p>
      {record.last_refused !== null && <Refusals lacks={flag} count={record.refusals} last={record.last_refused} />}
    </li>
  )
}

function By({ record: { granted_by, granted_at } }: { record: FlagRecord }) {
  return (
    <>
      <BareName who={whoIs(granted_by.id, granted_by.kind)} />, <Moment at={granted_at} />
    </>
  )
}

function Side({
  of,
  flag,
  value,
  maySet,
  onSet,
  children,
}: Pick<Props, 'flag' | 'onSet'> & { of: 'contract' | 'agent'; value: boolean; maySet: boolean; children: ComponentChildren }) {
  const isBusy = useSignal(false)
  async function change(): Promise<void> {
    isBusy.value = true
    await onSet(of, !value)
    isBusy.value = false
  }
  const does = value ? 'Forbid' : 'Allow'
  return (
    <div class="flag-side">
      <p>
        {of === 'contract' ? 'Contract' : 'Agent'}:{' '}
        <span class={value ? 'tone-ok' : 'tone-muted'}>{value ? 'allowed' : 'not allowed'}</span> <span class="muted">({children})</span>
      </p>
      {maySet && (
        <button
          type="button"
          class="button"
          disabled={isBusy.value}
          aria-label={`${does} it by the ${of}: ${names[flag]}`}
          onClick={() => void change()}
        >
          {isBusy.value ? '…' : does}
        </button>
      )}
    </div>
  )
}

export function Refusals({ lacks, count, last }: { lacks: Parameters<typeof lackText>[0]['lacks']; count: number; last: FlagRefusal }) {
  return (
    <p class="refusals">
      <Icon name="alert" />
      <span>
        Refused {count === 1 ? 'once' : `${count.toLocaleString()} times`}, last <Moment at={last.at} /> (<code>{last.what}</code>):{' '}
        {lackText({ lacks, denied_by: last.denied_by })}
      </span>
    </p>
  )
}
