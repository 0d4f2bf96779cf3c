import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { myself } from '../../account/session.ts'
import { api } from '../../api.ts'
import { learnNames } from '../../names.ts'
import { agentPath } from '../../route.ts'
import { plainName } from '../../untrusted-text.ts'
import { DialogButton } from '../dialog-button.tsx'
import { Field } from '../manage/fields.tsx'
import { ListView } from '../manage/list-view.tsx'
import { Moment } from '../manage/moment.tsx'
import { Page, useDone } from '../manage/page.tsx'
import { useList } from '../manage/use-list.ts'
import { Untrusted } from '../untrusted.tsx'

export interface Agent {
  agent_id: string
  name: string
  created_at: string
  owner_id?: string | null
}

/** The agents whose keys one manages: for staff all, for others those that they own. */
export function AgentsPage() {
  const list = useList<Agent>('/agents')
  const { said, done } = useDone(list.reload)
  const items = list.listed.value.items
  useEffect(() => learnNames((items ?? []).map(({ agent_id: id, name }) => ({ id, kind: 'agent', name }))), [items])
  return (
    <Page title="Agents" said={said} actions={<RegisterButton onDone={() => done('The agent is registered.')} />}>
      <ListView
        list={list}
        what="The agents"
        empty={<p>No agents yet. One that you register, or claim with its key, appears here with its keys.</p>}
      >
        {({ agent_id, name, created_at, owner_id }) => (
          <li key={agent_id}>
            <a class="item item-link" href={agentPath(agent_id)}>
              <span class="item-title">
                <bdi>
                  <Untrusted text={name} />
                </bdi>
                {owner_id === myself()?.id && <span class="muted">yours</span>}
                {owner_id === null && <span class="muted">nobody’s</span>}
              </span>
              <span class="muted">
                Since <Moment at={created_at} />
              </span>
            </a>
          </li>
        )}
      </ListView>
    </Page>
  )
}

function RegisterButton({ onDone }: { onDone: () => void }) {
  const name = useSignal('')
  return (
    <DialogButton
      {...{ label: 'Register…', look: 'primary', title: 'Register an agent', does: 'Register', doing: 'Registering…' }}
      onOpen={() => {
        name.value = ''
      }}
      act={async () => {
        const { api_key } = await api<{ api_key: string }>('POST', '/agents', { body: { name: name.value.trim() }, once: true })
        const about = 'The agent signs in with it. Copy it now: the hub keeps no copy, and it is not shown again.'
        return { title: `The first key of ${plainName(name.value)}`, name: 'API key', text: api_key, about }
      }}
      onDone={onDone}
    >
      <p>You become its owner, and get its first key.</p>
      <Field label="Name" value={name} maxLength={200} isRequired />
    </DialogButton>
  )
}
