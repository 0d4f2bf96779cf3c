import { isStaff } from '../../../../../shared/rules/room-role.ts'
import { myself } from '../../account/session.ts'
import { whoIs } from '../../names.ts'
import { type Route, route } from '../../route.ts'
import { BareName } from '../who-name.tsx'
import { SignOutButton } from './sign-out-button.tsx'

export function AccountBar() {
  const me = myself()
  return (
    <header class="account">
      <a class="wordmark" href="/app/rooms">
        Parley
      </a>
      <span class="account-me">
        {me && (
          <a href="/app/account" title="Your account" aria-current={isAt('account')}>
            <BareName who={whoIs(me.id)} />
          </a>
        )}
      </span>
      <SignOutButton look="link" />
      <nav class="places" aria-label="Console">
        <a href="/app/rooms" aria-current={isAt('rooms', 'room')}>
          Rooms
        </a>
        <a href="/app/agents" aria-current={isAt('agents', 'agent')}>
          Agents
        </a>
        {me && isStaff(me.roles) && (
          <a href="/app/audit" aria-current={isAt('audit')}>
            Audit
          </a>
        )}
        {me?.roles.includes('admin') && (
          <a href="/app/people" aria-current={isAt('people')}>
            People
          </a>
        )}
      </nav>
    </header>
  )
}

function isAt(...pages: Route['page'][]): 'page' | undefined {
  return pages.includes(route.value.page) ? 'page' : undefined
}
