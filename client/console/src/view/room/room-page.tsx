import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { hub, myself } from '../../account/session.ts'
import { refreshContracts } from '../../contracts.ts'
import { openStore } from '../../room/open-store.ts'
import { RoomStore } from '../../room/room-store.ts'
import { route } from '../../route.ts'
import { plainText } from '../../untrusted-text.ts'
import { loadProse } from '../timeline/prose.tsx'
import { Timeline } from '../timeline/timeline.tsx'
import { TypingLine } from '../timeline/typing-line.tsx'
import { Composer } from './composer.tsx'
import { LazyPermissions } from './lazy-permissions.tsx'
import { RoomHeader } from './room-header.tsx'
import { RoomRefused } from './room-refused.tsx'

export function RoomPage({ contract_id }: { contract_id: string }) {
  const connected = hub.value
  const me = myself()
  useMemo(loadProse, [])
  const store = useMemo(() => (connected && me ? new RoomStore({ hub: connected, me, contract_id }) : undefined), [connected, contract_id])
  const showsPermissions = useSignal(false)
  const event = route.value.page === 'room' ? route.value.event : undefined
  const title = store?.view.value.contract?.title

  useEffect(() => {
    if (store === undefined) return
    openStore.value = store
    let isLeft = false
    // Messages have their shape when they are first seen, so that nothing moves under the reader.
    void loadProse().then(() => (isLeft ? undefined : store.open(event)))
    return () => {
      isLeft = true
      openStore.value = undefined
      store.close()
    }
  }, [store])

  useEffect(() => {
    if (event !== undefined && store?.status.peek().state === 'open') void store.toEvent(event)
  }, [event])

  const state = store?.view.value.contract?.state
  useEffect(() => {
    if (state === 'ended') void refreshContracts()
  }, [state])

  useEffect(() => {
    document.title = `${title === undefined ? 'Room' : plainText(title).slice(0, 80)} · Parley`
  }, [title])

  const status = store?.status.value
  if (status?.state === 'refused') return <RoomRefused error={status.error} />
  return (
    <main
      class={`room ${store && !store.isLive.value ? 'is-stale' : ''} ${showsPermissions.value ? 'has-permissions' : ''}`}
      aria-label={`Room ${title === undefined ? '' : plainText(title)}`}
    >
      <RoomHeader store={store} showsPermissions={showsPermissions} />
      {store && showsPermissions.value && (
        <LazyPermissions
          store={store}
          onClose={() => {
            showsPermissions.value = false
            document.getElementById('show-permissions')?.focus()
          }}
        />
      )}
      {store && <Timeline store={store} />}
      {store && <TypingLine store={store} />}
      {store && <Composer key={contract_id} store={store} />}
    </main>
  )
}
