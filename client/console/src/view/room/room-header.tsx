import { type Signal, useSignal } from '@preact/signals'
import { isHearing } from '../../connection.ts'
import { whoIs } from '../../names.ts'
import type { RoomStore } from '../../room/room-store.ts'
import { timeOf } from '../../time.ts'
import { oneLine } from '../../untrusted-text.ts'
import { Icon } from '../icon.tsx'
import { ContractState } from '../room-list.tsx'
import { Untrusted } from '../untrusted.tsx'
import { BareName } from '../who-name.tsx'
import { EndDialog } from './end-dialog.tsx'
import { PresenceList } from './presence-list.tsx'
import { RoomSearch } from './room-search.tsx'

export function RoomHeader({ store, showsPermissions }: { store: RoomStore | undefined; showsPermissions: Signal<boolean> }) {
  const isSearching = useSignal(false)
  const contract = store?.view.value.contract ?? undefined
  return (
    <header class="room-head">
      <a class="back" href="/app/rooms" aria-label="All rooms">
        <Icon name="back" />
        <span>Rooms</span>
      </a>
      <div class="room-title">
        <h1 dir="auto">{contract === undefined ? <span class="bone" /> : <Untrusted text={oneLine(contract.title, 300)} />}</h1>
      </div>
      <div class="room-actions">
        {store && (
          <button
            type="button"
            class="button"
            aria-expanded={isSearching.value}
            onClick={() => {
              isSearching.value = !isSearching.value
            }}
          >
            <Icon name="search" />
            <span class="wide-only">Search</span>
          </button>
        )}
        {store && hasAgent(store) && (
          <button
            type="button"
            id="show-permissions"
            class="button"
            aria-expanded={showsPermissions.value}
            onClick={() => {
              showsPermissions.value = !showsPermissions.value
            }}
          >
            <Icon name="shield" />
            <span class="wide-only">Permissions</span>
          </button>
        )}
        {store && mayEnd(store) && <EndDialog store={store} />}
      </div>
      {store && contract && (
        <div class="room-facts">
          <ContractState state={contract.state} outcome={contract.outcome} />
          <FloorLine store={store} />
          <PresenceList store={store} />
        </div>
      )}
      {store && isSearching.value && (
        <RoomSearch
          store={store}
          onClose={() => {
            isSearching.value = false
          }}
        />
      )}
    </header>
  )
}

function mayEnd(store: RoomStore): boolean {
  const role = store.role.value
  return store.view.value.contract?.state === 'open' && (role === 'requester' || role === 'staff' || role === 'provider')
}

/** Permissions bind agents only. */
function hasAgent(store: RoomStore): boolean {
  const { contract, members } = store.view.value
  return contract !== null && members.find(({ id }) => id === contract.provider_id)?.kind !== 'user'
}

/** Who drives the contract now, and whether it can. */
function FloorLine({ store }: { store: RoomStore }) {
  const { contract, floor, agent, members } = store.view.value
  if (contract === null || contract.state === 'ended') return null
  const who = whoIs(floor.holder, floor.kind)
  if (!isHearing.value) {
    return (
      <span class="floor tone-muted">
        <Icon name="clock" />
        <span>
          No news of {floor.kind === 'agent' ? 'agent ' : ''}
          <BareName who={who} />
        </span>
      </span>
    )
  }
  const holder = members.find(({ id }) => id === floor.holder)
  if (floor.kind === 'agent' && agent.health === 'unhealthy') {
    return (
      <span class="floor tone-danger">
        <Icon name="alert" />
        <span>
          Agent <BareName who={who} /> does not respond{agent.since === undefined ? '' : ` since ${timeOf(agent.since)}`}
        </span>
      </span>
    )
  }
  if (holder !== undefined && !holder.connected) {
    return (
      <span class="floor tone-waiting">
        <Icon name="clock" />
        <span>
          {floor.kind === 'agent' ? 'Agent ' : ''}
          <BareName who={who} /> is not connected
        </span>
      </span>
    )
  }
  return (
    <span class={`floor who-${who.kind}`}>
      <Icon name={who.kind} />
      <span>
        {floor.kind === 'agent' ? 'Agent ' : ''}
        <BareName who={who} /> {who.isMe ? '(you) ' : ''}
        {floor.kind === 'agent' ? 'is working' : 'is in control'}
      </span>
    </span>
  )
}
