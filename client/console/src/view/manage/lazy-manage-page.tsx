import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { ManageRoute } from './manage-page.tsx'

type Loaded = typeof import('./manage-page.tsx')
const loaded = signal<Loaded | 'failed' | undefined>(undefined)

async function load(): Promise<void> {
  loaded.value = await import('./manage-page.tsx').catch(() => 'failed' as const)
}

/** The pages beside the rooms, which few visits need, are fetched when the first of them is opened. */
export function LazyManagePage({ route }: { route: ManageRoute }) {
  useEffect(() => {
    if (typeof loaded.peek() !== 'object') void load()
  }, [])
  const pages = loaded.value
  if (typeof pages === 'object') return <pages.ManagePage route={route} />
  return (
    <main class="room room-none" id="page" tabIndex={-1} aria-busy={pages === undefined}>
      {pages === undefined ? <p class="late">Opening the page …</p> : <NotLoaded />}
    </main>
  )
}

/** The hub is gone, or another one than this page came from. */
function NotLoaded() {
  return (
    <>
      <h1>The page could not be loaded</h1>
      <p>Check that you are online, then load it again.</p>
      <button type="button" class="button" onClick={() => location.reload()}>
        Load again
      </button>
    </>
  )
}
