import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { RefusedError } from '../../../../sdk/index.ts'
import { myself } from '../../account/session.ts'
import { api, toRefused } from '../../api.ts'
import { learnNames, whoIs } from '../../names.ts'
import { oneLine, plainText } from '../../untrusted-text.ts'
import { ListView } from '../manage/list-view.tsx'
import { Moment } from '../manage/moment.tsx'
import { Page, useDone } from '../manage/page.tsx'
import { useList } from '../manage/use-list.ts'
import { Trouble } from '../trouble.tsx'
import { Untrusted } from '../untrusted.tsx'
import { BareName } from '../who-name.tsx'
import type { Agent } from './agents-page.tsx'
import { IssueButton } from './issue-button.tsx'
import { type AgentKey, KeyRow } from './key-row.tsx'

/** Only admins may ask who somebody is; to others an owner that they have not met stays an id. */
async function learnOwner(id: string | null | undefined): Promise<void> {
  if (id == null || !myself()?.roles.includes('admin')) return
  const owner = await api<{ name: string }>('GET', `/users/${encodeURIComponent(id)}`).catch(() => undefined)
  if (owner !== undefined) learnNames([{ id, kind: 'user', name: owner.name }])
}

/** One agent and its keys. */
export function AgentPage({ agent_id }: { agent_id: string }) {
  const agent = useSignal<Agent | undefined>(undefined)
  const error = useSignal<RefusedError | undefined>(undefined)
  const path = `/agents/${encodeURIComponent(agent_id)}`
  const list = useList<AgentKey>(`${path}/keys`)
  const { said, done } = useDone(list.reload)

  async function read(): Promise<void> {
    error.value = undefined
    try {
      agent.value = await api<Agent>('GET', path)
      learnNames([{ id: agent_id, kind: 'agent', name: agent.value.name }])
      await learnOwner(agent.value.owner_id)
    } catch (thrown) {
      error.value = toRefused(thrown)
    }
  }
  useEffect(() => void read(), [path])

  const { name, created_at, owner_id } = agent.value ?? {}
  const me = myself()
  // Who issues keys could act as the agent: reviewers read and revoke only.
  const mayIssue = me !== undefined && agent.value !== undefined && (me.roles.includes('admin') || owner_id === me.id)
  const heading = error.value ? 'No agent to show' : name === undefined ? <span class="bone" /> : <Untrusted text={oneLine(name, 200)} />
  return (
    <Page
      title={name === undefined ? 'Agent' : plainText(oneLine(name, 60))}
      heading={<span dir="auto">{heading}</span>}
      back="/app/agents"
      backLabel="All agents"
      said={said}
      actions={mayIssue && <IssueButton path={`${path}/keys`} onDone={() => done('The key is issued.')} />}
    >
      {error.value ? (
        <Trouble error={error.value} what="The agent" onRetry={() => void read()} />
      ) : (
        <>
          {created_at !== undefined && (
            <p class="muted">
              Since <Moment at={created_at} />
              {owner_id != null && (
                <>
                  , of <BareName who={whoIs(owner_id, 'user')} />
                </>
              )}
              . Id <code>{agent_id}</code>.{' '}
              <a href={`/app/audit?agent_id=${encodeURIComponent(agent_id)}`}>What the audit trail says of it</a>
            </p>
          )}
          <section aria-labelledby="keys">
            <div class="section-head">
              <h2 id="keys">Keys</h2>
            </div>
            <ListView list={list} what="The keys" empty={<p>No keys: the agent cannot sign in.</p>}>
              {(key) => <KeyRow key={key.key_id} item={key} path={`${path}/keys/${key.key_id}`} mayRotate={mayIssue} onDone={done} />}
            </ListView>
          </section>
        </>
      )}
    </Page>
  )
}
