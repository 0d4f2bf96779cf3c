import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { PermissionFlag } from '../../../../../shared/protocol/index.ts'
import { faultText } from '../../fault-text.ts'
import { whoIs } from '../../names.ts'
import { openPermissions } from '../../room/permissions.ts'
import type { RoomStore } from '../../room/room-store.ts'
import { Trouble } from '../trouble.tsx'
import { BareName } from '../who-name.tsx'
import { BoundKeys } from './bound-keys.tsx'
import { FlagRow } from './flag-row.tsx'

// The one that matters most in a talk comes first.
const FLAGS = ['can_message_requester', 'can_read_attachments', 'can_access_web', 'can_run_code_sandbox'] as const

/** What the agent of a room may do, who said so, what came of it, and what its keys are bound to: the same for both parties. */
export function PermissionsPanel({ store, onClose }: { store: RoomStore; onClose: () => void }) {
  const permissions = useMemo(() => openPermissions(store), [store])
  const heading = useRef<HTMLHeadingElement>(null)
  const fault = useSignal<string | undefined>(undefined)
  const isLive = store.isLive.value
  useEffect(() => () => permissions.close(), [permissions])
  useEffect(() => heading.current?.focus(), [])
  useEffect(() => {
    if (isLive && permissions.shown.peek() !== undefined) void permissions.reload()
  }, [isLive])

  const { contract } = store.view.value
  const { role, shown, error } = { role: store.role.value, shown: permissions.shown.value, error: permissions.error.value }
  const isOpen = contract?.state === 'open'

  async function set(of: 'contract' | 'agent', flag: PermissionFlag, value: boolean): Promise<void> {
    fault.value = undefined
    try {
      await permissions.set(of, flag, value)
    } catch (thrown) {
      fault.value = faultText(thrown)
    }
  }

  return (
    <aside
      class="permissions"
      aria-labelledby="permissions-title"
      onKeyDown={(press) => {
        if (press.key === 'Escape') onClose()
      }}
    >
      <div class="permissions-head">
        <h2 id="permissions-title" ref={heading} tabIndex={-1}>
          Permissions
        </h2>
        <button type="button" class="link" onClick={onClose}>
          Close
        </button>
      </div>
      {contract && (
        <p class="muted">
          What agent <BareName who={whoIs(contract.provider_id, 'agent')} /> may do here: what its own flags and the contract’s both allow.
        </p>
      )}
      <p class="form-fault" role="alert">
        {fault.value}
      </p>
      {error !== undefined && <Trouble error={error} what="The permissions" onRetry={() => void permissions.reload()} />}
      {shown === undefined && error === undefined && <p class="late">Reading them …</p>}
      {shown !== undefined && (
        <>
          <ul class="flags">
            {FLAGS.map((flag) => (
              <FlagRow
                key={flag}
                {...{ flag, shown }}
                maySetContract={isOpen && (role === 'requester' || role === 'staff')}
                maySetAgent={isOpen && (role === 'owner' || role === 'staff')}
                onSet={(of, value) => set(of, flag, value)}
              />
            ))}
          </ul>
          <BoundKeys keys={shown.keys} refused={shown.refused_bounds} />
        </>
      )}
    </aside>
  )
}
