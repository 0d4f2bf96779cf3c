import { type Contract, contracts, moreContracts, refreshContracts } from '../contracts.ts'
import { whoIs } from '../names.ts'
import { roomPath, route } from '../route.ts'
import { briefTime, fullTimeOf, timeOf } from '../time.ts'
import { oneLine } from '../untrusted-text.ts'
import { useHeldOrder } from './held-order.ts'
import { Icon } from './icon.tsx'
import { Trouble } from './trouble.tsx'
import { Untrusted } from './untrusted.tsx'
import { BareName } from './who-name.tsx'

export function RoomList({ openId }: { openId: string | undefined }) {
  const { items, total, at, error } = contracts.value
  const hold = useHeldOrder(items ?? [])
  const Heading = route.value.page === 'rooms' ? 'h1' : 'h2'
  return (
    <nav class="list" id="rooms" aria-label="Rooms" tabIndex={-1} {...hold.handlers}>
      <div class="list-head">
        <Heading>Rooms</Heading>
        {items !== undefined && <span class="muted">{items.length < total ? `${items.length} of ${total}` : total}</span>}
      </div>
      {error && items === undefined && <Trouble error={error} what="The list" onRetry={() => void refreshContracts()} />}
      {error && items !== undefined && <Stale at={at} title={error.title} />}
      {items === undefined && !error && <Skeleton />}
      {items?.length === 0 && <Empty />}
      {items !== undefined && items.length > 0 && (
        <ul>
          {hold.shown.map((contract) => (
            <li key={contract.contract_id}>
              <ListRow contract={contract} isOpen={contract.contract_id === openId} />
            </li>
          ))}
        </ul>
      )}
      {items !== undefined && items.length < total && (
        <button type="button" class="button list-more" disabled={contracts.value.isLoading} onClick={() => void moreContracts()}>
          Show more
        </button>
      )}
    </nav>
  )
}

function ListRow({ contract, isOpen }: { contract: Contract; isOpen: boolean }) {
  const { contract_id, title, state, requester_id, provider_id, opened_at, last_activity_at, outcome } = contract
  return (
    <a class="list-row" href={roomPath(contract_id)} aria-current={isOpen ? 'page' : undefined}>
      <span class="list-title" dir="auto">
        <Untrusted text={oneLine(title, 160)} />
      </span>
      <time
        class="muted"
        dateTime={last_activity_at}
        title={`Last activity ${fullTimeOf(last_activity_at)}, opened ${fullTimeOf(opened_at)}`}
      >
        {briefTime(last_activity_at)}
      </time>
      <span class="list-parties muted">
        <BareName who={whoIs(requester_id)} /> <span aria-hidden="true">→</span> <BareName who={whoIs(provider_id)} />
      </span>
      <ContractState state={state} outcome={outcome} />
    </a>
  )
}

export function ContractState({ state, outcome }: Pick<Contract, 'state'> & { outcome: string | undefined }) {
  if (state === 'open') {
    return (
      <span class="pill tone-ok">
        <Icon name="flag" />
        Open
      </span>
    )
  }
  return (
    <span class="pill tone-muted">
      <Icon name="check" />
      Ended
      {outcome !== undefined && (
        <>
          : <Untrusted text={oneLine(outcome, 24)} />
        </>
      )}
    </span>
  )
}

function Stale({ at, title }: { at: number; title: string }) {
  return (
    <p class="list-stale" role="status">
      {title}. As of {timeOf(at)}.{' '}
      <button type="button" class="link" onClick={() => void refreshContracts()}>
        Retry
      </button>
    </p>
  )
}

function Empty() {
  return (
    <div class="list-empty">
      <p>
        <strong>No rooms yet.</strong>
      </p>
      <p class="muted">A room opens with a contract that you are a party to. It appears here by itself.</p>
    </div>
  )
}

function Skeleton() {
  return (
    <div class="skeleton" aria-hidden="true">
      {[80, 64, 92, 70, 84, 60].map((width) => (
        <div key={width} class="bone" style={{ '--width': `${width}%` }} />
      ))}
    </div>
  )
}
