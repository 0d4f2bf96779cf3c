import type { AuditItem } from '../../../../sdk/trail.ts'
import { whoIs } from '../../names.ts'
import { fullTimeOf } from '../../time.ts'
import { oneLine } from '../../untrusted-text.ts'
import { Icon, type IconName } from '../icon.tsx'
import { Untrusted } from '../untrusted.tsx'
import { BareName } from '../who-name.tsx'
import { auditPath } from './filters.ts'

const looks = {
  security: { icon: 'shield', tone: 'waiting', word: 'Security' },
  error: { icon: 'alert', tone: 'danger', word: 'Error' },
  warn: { icon: 'alert', tone: 'waiting', word: 'Warning' },
  info: { icon: 'system', tone: 'muted', word: 'Info' },
} as const satisfies Record<AuditItem['severity'], { icon: IconName; tone: string; word: string }>

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' })

/** One event of the trail: what, when, who, about what; the rest of it on demand. */
export function AuditRow({ item, isNew }: { item: AuditItem; isNew: boolean }) {
  const { at, event_type, severity, actor, subject, count, first_at } = item
  const look = looks[severity]
  const kind = actor.type === 'human' ? 'user' : actor.type === 'anonymous' ? undefined : actor.type
  return (
    <li class={`item audit-item ${isNew ? 'is-new' : ''}`}>
      <div class="item-facts">
        <p class="item-title">
          <a href={auditPath({ type: event_type })}>
            <code>
              <Untrusted text={oneLine(event_type, 80)} />
            </code>
          </a>
          <span class={`pill tone-${look.tone}`}>
            <Icon name={look.icon} />
            {look.word}
          </span>
          {count !== undefined && count > 1 && <strong>{count.toLocaleString()} times</strong>}
          <time class="muted" dateTime={at} title={fullTimeOf(at)}>
            {first_at === undefined ? '' : `${exact.format(new Date(first_at))} to `}
            {exact.format(new Date(at))}
          </time>
        </p>
        <p class="muted">
          <a href={auditPath({ actor: actor.id })}>
            {actor.type === 'anonymous' ? (
              <>
                somebody at <Untrusted text={oneLine(actor.id, 60)} />
              </>
            ) : (
              <BareName who={whoIs(actor.id, kind)} />
            )}
          </a>{' '}
          about{' '}
          <a href={auditPath({ subject: `${subject.type}:${subject.id}` })}>
            <Untrusted text={oneLine(`${subject.type} ${shortOf(subject.id)}`, 80)} />
          </a>
        </p>
        <details>
          <summary>All of it</summary>
          <pre class="audit-json">
            <Untrusted text={JSON.stringify(item, null, 2)} />
          </pre>
        </details>
      </div>
    </li>
  )
}

/** Ids are told apart by their ends; what is no id is a word. */
function shortOf(id: string): string {
  return /^[0-9a-f-]{36}$/.test(id) ? `…${id.slice(-6)}` : id
}
