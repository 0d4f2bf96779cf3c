import type { ComponentChildren } from 'preact'
import type { RecordedEvent } from '../../../../../shared/protocol/index.ts'
import { type Who, whoIs } from '../../names.ts'
import { lackText } from '../../room/refusal-words.ts'
import type { Row } from '../../room/rows.ts'
import { oneLine, plainText } from '../../untrusted-text.ts'
import { Icon, type IconName } from '../icon.tsx'
import { Untrusted } from '../untrusted.tsx'
import { BareName } from '../who-name.tsx'
import { Article, EventTime } from './article.tsx'

/** A change of state, in one line. */
export function LineRow({ row, contract_id }: { row: Extract<Row, { kind: 'line' }>; contract_id: string }) {
  const { event } = row
  const { icon, tone, text, label } = lineOf(event)
  return (
    <Article row={row} contract_id={contract_id} class={`line tone-${tone}`} label={label}>
      <div class="line-text">
        <Icon name={icon} />
        <span>{text}</span>
        <EventTime contract_id={contract_id} seq={event.seq} at={event.at} />
      </div>
    </Article>
  )
}

/** What stands in the place of an event that this reader may not see. */
export function StubRow({ row, contract_id }: { row: Extract<Row, { kind: 'stub' }>; contract_id: string }) {
  return (
    <Article row={row} contract_id={contract_id} class="line tone-muted" label="A note for staff">
      <div class="line-text">
        <Icon name="note" />
        <span>A note for staff</span>
      </div>
    </Article>
  )
}

interface Line {
  icon: IconName
  tone: 'muted' | 'ok' | 'danger'
  text: ComponentChildren
  label: string
}

function lineOf(event: RecordedEvent): Line {
  const by = whoIs(event.by.id, event.by.kind)
  switch (event.type) {
    case 'contract.opened': {
      const { provider_id, requester_id } = event.data
      const text = <>Contract opened: {between(whoIs(requester_id), whoIs(provider_id))}</>
      return { icon: 'flag', tone: 'muted', text, label: 'Contract opened' }
    }
    case 'contract.ended': {
      const { outcome, reason } = event.data
      const said = `${outcome}${reason === undefined || reason === '' ? '' : ` — ${reason}`}`
      const text = (
        <>
          <BareName who={by} /> ended the contract: <Untrusted text={oneLine(said, 400)} />
        </>
      )
      return { icon: 'flag', tone: 'muted', text, label: `Contract ended: ${plainText(oneLine(outcome, 80))}` }
    }
    case 'agent.unhealthy': {
      const agent = whoIs(event.data.agent_id, 'agent')
      const text = (
        <>
          Agent <BareName who={agent} /> does not respond
        </>
      )
      return { icon: 'alert', tone: 'danger', text, label: 'The agent does not respond' }
    }
    case 'agent.recovered': {
      const agent = whoIs(event.data.agent_id, 'agent')
      const text = (
        <>
          Agent <BareName who={agent} /> is back
        </>
      )
      return { icon: 'check', tone: 'ok', text, label: 'The agent is back' }
    }
    case 'permissions.changed': {
      const text = (
        <>
          <BareName who={whoIs(event.data.granted_by?.id ?? event.by.id, event.data.granted_by?.kind ?? event.by.kind)} /> changed what the
          agent may do
        </>
      )
      return { icon: 'alert', tone: 'muted', text, label: 'The permissions of the agent changed' }
    }
    case 'permission.refused': {
      const { agent_id, lacks, what, count } = event.data
      const times = count === 1 ? '' : `, ${count} times`
      const text = (
        <>
          Agent <BareName who={whoIs(agent_id, 'agent')} /> was refused <Untrusted text={oneLine(what, 80)} />
          {times}: {lackText(event.data)}
        </>
      )
      return {
        icon: 'alert',
        tone: 'danger',
        text,
        label: `The agent was refused ${plainText(oneLine(what, 80))}${times}: it lacks ${lacks}`,
      }
    }
    case 'key.issued': {
      const { agent_id, bounds } = event.data
      const bound = bounds.length === 0 ? 'without a profile' : `bound in ${bounds.join(', ')}`
      const text = (
        <>
          Agent <BareName who={whoIs(agent_id, 'agent')} /> has a new key, {bound}
        </>
      )
      return { icon: 'system', tone: 'muted', text, label: 'The agent has a new key' }
    }
    case 'key.ended': {
      const agent = whoIs(event.data.agent_id, 'agent')
      const how = { revoked: 'was revoked', rotated: 'was replaced', expired: 'has expired' }[event.data.reason]
      const text = (
        <>
          A key of agent <BareName who={agent} /> {how}
        </>
      )
      return { icon: 'alert', tone: 'muted', text, label: `A key of the agent ${how}` }
    }
    default: {
      // A hub newer than this page.
      const { type } = event as { type: string }
      return { icon: 'system', tone: 'muted', text: <Untrusted text={oneLine(type, 80)} />, label: 'An event of another kind' }
    }
  }
}

function between(requester: Who, provider: Who) {
  return (
    <>
      <BareName who={requester} /> asks, <BareName who={provider} /> provides
    </>
  )
}
