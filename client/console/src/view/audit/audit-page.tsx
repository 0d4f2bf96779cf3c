import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { isStaff } from '../../../../../shared/rules/room-role.ts'
import { type AuditItem, followTrail } from '../../../../sdk/trail.ts'
import { hub, myself } from '../../account/session.ts'
import { faultText } from '../../fault-text.ts'
import { Icon } from '../icon.tsx'
import { ListView } from '../manage/list-view.tsx'
import { Page } from '../manage/page.tsx'
import { useList } from '../manage/use-list.ts'
import { AuditRow } from './audit-row.tsx'
import { FilterForm } from './filter-form.tsx'
import { filtersIn, queryOf } from './filters.ts'

// Of what comes live the page keeps the newest; the rest is a search away.
const MOST_FRESH = 500

/** The audit trail: searched, exported, and followed as it grows. For staff; for an owner, what concerns one agent. */
export function AuditPage({ search }: { search: string }) {
  const filters = useMemo(() => filtersIn(search), [search])
  const query = queryOf(filters)
  const list = useList<AuditItem>(query === '' ? '/audit' : `/audit?${query}`)
  const wantsLive = useSignal(false)
  const fresh = useSignal<readonly AuditItem[]>([])
  const said = useSignal('')
  const connected = hub.value
  const isLive = wantsLive.value

  useEffect(() => {
    fresh.value = []
    if (!isLive || connected === undefined) return
    // What comes from now on has no end, and a moment of beginning it meets anyway.
    const { from: _from, to: _to, ...asked } = filters
    // The cast holds: whatever else an address names as severity, the hub refuses.
    const trail = followTrail(connected, asked as Parameters<typeof followTrail>[1])
    let isOver = false
    // Behind the place where it begins nothing is missing, then. By then another search may stand here.
    void trail.begun.then(() => (isOver ? undefined : list.reload()))
    void (async () => {
      try {
        for await (const item of trail) if (!isOver) fresh.value = [item, ...fresh.peek()].slice(0, MOST_FRESH)
      } catch (thrown) {
        said.value = `Not live any more. ${faultText(thrown)}`
        wantsLive.value = false
      }
    })()
    return () => {
      isOver = true
      trail.stop()
    }
  }, [isLive, connected, query])

  const news = fresh.value
  const known = new Set(news.map(({ event_id }) => event_id))
  const me = myself()
  return (
    <Page
      title="Audit"
      said={said}
      actions={
        <>
          {me !== undefined && isStaff(me.roles) && (
            <a class="button" href="/audit/export" download="parley-audit.ndjson">
              <span>
                Export<span class="wide-only"> all (NDJSON)</span>
              </span>
            </a>
          )}
          <button
            type="button"
            class="button"
            aria-pressed={isLive}
            onClick={() => {
              said.value = ''
              wantsLive.value = !isLive
            }}
          >
            <Icon name={isLive ? 'check' : 'clock'} />
            Live
          </button>
        </>
      }
    >
      <FilterForm key={search} filters={filters} />
      {isLive && (
        <p class="muted" role="status">
          {news.length === 0 ? 'Live: what is added appears here by itself.' : `Live: ${news.length.toLocaleString()} added.`}
        </p>
      )}
      {news.length > 0 && (
        <ul class="items" aria-label="Added since">
          {news.map((item) => (
            <AuditRow key={item.event_id} item={item} isNew />
          ))}
        </ul>
      )}
      <ListView list={list} what="The trail" empty={<p>No entries match.</p>}>
        {(item) => (known.has(item.event_id) ? null : <AuditRow key={item.event_id} item={item} isNew={false} />)}
      </ListView>
    </Page>
  )
}
