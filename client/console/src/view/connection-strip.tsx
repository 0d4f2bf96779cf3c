import { useEffect } from 'preact/hooks'
import { hubState } from '../account/session.ts'
import { connection, watchConnection } from '../connection.ts'
import { openStore } from '../room/open-store.ts'
import { timeOf } from '../time.ts'
import { Icon } from './icon.tsx'

/** Says only what is not as it should be. The place is always there, so that what appears in it is read out. */
export function ConnectionStrip() {
  useEffect(
    () =>
      watchConnection({
        hubState: () => hubState.value,
        isInStep: () => {
          const store = openStore.value
          return store === undefined || store.isLive.value || store.status.value.state === 'refused'
        },
      }),
    [],
  )
  const now = connection.value
  return (
    <div class={`strip strip-${now.state}`} role="status">
      {now.state === 'reconnecting' && (
        <p>
          <Icon name="busy" /> Reconnecting…
        </p>
      )}
      {now.state === 'offline' && (
        <p>
          <Icon name="alert" /> Offline since {timeOf(now.since)}, live data is stale
        </p>
      )}
      {now.state === 'catching-up' && (
        <p>
          <Icon name="busy" /> Catching up …
        </p>
      )}
    </div>
  )
}
