import type { Route } from '../../route.ts'
import { AccountPage } from '../account/account-page.tsx'
import { AgentPage } from '../agents/agent-page.tsx'
import { AgentsPage } from '../agents/agents-page.tsx'
import { AuditPage } from '../audit/audit-page.tsx'
import { PeoplePage } from '../people/people-page.tsx'

export type ManageRoute = Extract<Route, { page: 'account' | 'people' | 'agents' | 'agent' | 'audit' }>

/** The pages beside the rooms. They are loaded when one of them is first opened. */
export function ManagePage({ route }: { route: ManageRoute }) {
  switch (route.page) {
    case 'account':
      return <AccountPage />
    case 'people':
      return <PeoplePage />
    case 'audit':
      return <AuditPage search={route.search} />
    case 'agents':
      return <AgentsPage />
    case 'agent':
      return <AgentPage key={route.agent_id} agent_id={route.agent_id} />
  }
}
