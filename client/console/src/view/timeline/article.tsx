import type { ComponentChildren } from 'preact'
import type { Row } from '../../room/rows.ts'
import { roomPath } from '../../route.ts'
import { dayName, fullTimeOf, timeOf } from '../../time.ts'

export interface ArticleProps {
  row: Row
  contract_id: string
  class: string
  label: string
  isFloating?: boolean
  children: ComponentChildren
}

/** One row of the feed (WAI-ARIA feed pattern). A day begins inside its first row, for a feed holds articles and nothing else. */
export function Article({ row, class: kind, label, isFloating, children }: ArticleProps) {
  return (
    <article
      id={`row-${row.key}`}
      class={`row ${kind}`}
      aria-label={label}
      aria-posinset={row.seq}
      aria-setsize={-1}
      data-seq={row.seq}
      data-floating={isFloating ? '' : undefined}
      tabIndex={-1}
    >
      {row.day !== undefined && (
        <p class="day">
          <time dateTime={row.day.slice(0, 10)}>{dayName(row.day)}</time>
        </p>
      )}
      {children}
    </article>
  )
}

/** The time of an event, which is also the link to it. Out of the tab order: a focused row opens its link with Enter. */
export function EventTime({ contract_id, seq, at }: { contract_id: string; seq: number; at: string }) {
  return (
    <a
      class="event-time"
      href={roomPath(contract_id, seq)}
      tabIndex={-1}
      title={fullTimeOf(at)}
      aria-label={`Link to this event, ${timeOf(at)}`}
    >
      <time dateTime={at}>{timeOf(at)}</time>
    </a>
  )
}
