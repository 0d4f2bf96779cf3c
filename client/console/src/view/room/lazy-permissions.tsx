import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { RoomStore } from '../../room/room-store.ts'

type Loaded = typeof import('./permissions-panel.tsx')
const loaded = signal<Loaded | 'failed' | undefined>(undefined)

/** Fetched when it is first opened: most visits only talk. */
export function LazyPermissions(props: { store: RoomStore; onClose: () => void }) {
  useEffect(() => {
    if (typeof loaded.peek() === 'object') return
    void import('./permissions-panel.tsx').then(
      (panel) => {
        loaded.value = panel
      },
      () => {
        loaded.value = 'failed'
      },
    )
  }, [])
  const panel = loaded.value
  if (typeof panel === 'object') return <panel.PermissionsPanel {...props} />
  return (
    <aside class="permissions" aria-label="Permissions" aria-busy={panel === undefined}>
      {panel === 'failed' ? (
        <p role="alert">
          The permissions could not be loaded. Check that you are online, then close and open them again.{' '}
          <button type="button" class="link" onClick={props.onClose}>
            Close
          </button>
        </p>
      ) : (
        <p class="late">Opening …</p>
      )}
    </aside>
  )
}
