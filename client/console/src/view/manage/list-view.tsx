import type { ComponentChildren } from 'preact'
import { Trouble } from '../trouble.tsx'
import type { List } from './use-list.ts'

/** The rows of a list, or what stands in their place. Rows that are there stay when the hub gives no answer. */
export function ListView<T>({
  list: { listed, reload, more },
  what,
  empty,
  children,
}: {
  list: List<T>
  /** "The sessions": for the sentence that they could not be loaded. */
  what: string
  empty: ComponentChildren
  children: (item: T) => ComponentChildren
}) {
  const { items, total, next_cursor, error, isLoading } = listed.value
  return (
    <>
      {error && <Trouble error={error} what={what} onRetry={() => void reload()} />}
      {items === undefined && !error && (
        <div class="skeleton" aria-hidden="true">
          {[70, 56, 82].map((width) => (
            <div key={width} class="bone" style={{ '--width': `${width}%` }} />
          ))}
        </div>
      )}
      {items?.length === 0 && <div class="items-empty muted">{empty}</div>}
      {items !== undefined && items.length > 0 && <ul class="items">{items.map(children)}</ul>}
      {next_cursor !== undefined && items !== undefined && (
        <button type="button" class="button" disabled={isLoading} onClick={() => void more()}>
          Show more ({items.length} of {total})
        </button>
      )}
    </>
  )
}
