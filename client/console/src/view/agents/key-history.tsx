import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { By, KeyHistoryType } from '../../../../../shared/protocol/index.ts'
import { api } from '../../api.ts'
import { faultText } from '../../fault-text.ts'
import { whoIs } from '../../names.ts'
import { fullTimeOf } from '../../time.ts'
import { Untrusted } from '../untrusted.tsx'
import { BareName } from '../who-name.tsx'

interface Entry {
  type: KeyHistoryType
  at: string
  by: By
  reason?: string
  key_id?: string
}

const words: Record<KeyHistoryType, string> = {
  created: 'Issued',
  rotated: 'Replaced by a new key',
  activated: 'First used',
  revoked: 'Revoked',
  expired: 'Expired',
}

/** What became of a key, read when it is opened, and again when the key has changed meanwhile (`version`). */
export function KeyHistory({ path, version }: { path: string; version: string }) {
  const isOpen = useSignal(false)
  const entries = useSignal<readonly Entry[] | undefined>(undefined)
  const fault = useSignal<string | undefined>(undefined)

  async function read(): Promise<void> {
    try {
      entries.value = (await api<{ items: Entry[] }>('GET', `${path}/history`)).items
      fault.value = undefined
    } catch (thrown) {
      fault.value = faultText(thrown)
    }
  }
  useEffect(() => {
    if (isOpen.value) void read()
  }, [isOpen.value, version])

  return (
    <details
      class="call-part"
      onToggle={(toggle) => {
        isOpen.value = toggle.currentTarget.open
      }}
    >
      <summary>
        <span class="call-part-name">History</span>
      </summary>
      {fault.value !== undefined && (
        <p class="tone-danger" role="status">
          {fault.value}
        </p>
      )}
      <ol class="key-history">
        {entries.value?.map(({ type, at, by, reason, key_id }) => (
          <li key={`${type} ${at}`}>
            <time dateTime={at}>{fullTimeOf(at)}</time>: {words[type]} by <BareName who={whoIs(by.id, by.kind)} />
            {type === 'created' && key_id !== undefined && ', in the place of another'}
            {reason !== undefined && (
              <>
                . Reason:{' '}
                <bdi>
                  <Untrusted text={reason} />
                </bdi>
              </>
            )}
          </li>
        ))}
      </ol>
    </details>
  )
}
