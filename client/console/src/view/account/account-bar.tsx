import { useSignal } from '@preact/signals'
import { myself, signOut } from '../../account/session.ts'
import { toRefused } from '../../api.ts'
import { whoIs } from '../../names.ts'
import { BareName } from '../who-name.tsx'

export function AccountBar() {
  const fault = useSignal<string | undefined>(undefined)
  const me = myself()
  const leave = () => {
    signOut().catch((thrown: unknown) => {
      fault.value = toRefused(thrown).title
    })
  }
  return (
    <header class="account">
      <a class="wordmark" href="/app/rooms">
        Parley
      </a>
      <span class="account-me">
        {fault.value !== undefined && <span role="status">{fault.value} </span>}
        {me && <BareName who={whoIs(me.id)} />}
      </span>
      <button type="button" class="link" onClick={leave}>
        Sign out
      </button>
    </header>
  )
}
