import { type ReadonlySignal, signal } from '@preact/signals'
import type {
  BoundKey,
  BoundRefusal,
  By,
  FlagRecords,
  FlagUse,
  PermissionFlag,
  Permissions,
  WireEvent,
} from '../../../../shared/protocol/index.ts'
import { permissionsUsedBy } from '../../../../shared/rules/permission-use.ts'
import type { RefusedError } from '../../../sdk/index.ts'
import { api, toRefused } from '../api.ts'
import type { RoomStore } from './room-store.ts'

/** What `GET /contracts/:id/permissions` answers. */
export interface Permitted extends Permissions {
  in_force: Permissions
  agent?: Permissions
  set?: { agent?: Partial<Record<PermissionFlag, { by: By; at: string }>> }
  flags: FlagRecords
  keys: BoundKey[]
  refused_bounds: BoundRefusal[]
}

export interface RoomPermissions {
  /** Undefined until the hub has answered. */
  shown: ReadonlySignal<Permitted | undefined>
  error: ReadonlySignal<RefusedError | undefined>
  reload(): Promise<void>
  /** Sets a flag of the contract, or of its agent. Rejects with what to say. */
  set(of: 'contract' | 'agent', flag: PermissionFlag, value: boolean): Promise<void>
  close(): void
}

const CHANGES: ReadonlySet<string> = new Set(['permissions.changed', 'permission.refused', 'key.issued', 'key.ended'])
/** Between two looks at the hub: a flood of changes must not become one of questions. */
const REST_MS = 1_000

/** The permissions of a room, live: read once, then again when an event says that they changed. Uses are told by the events themselves. */
export function openPermissions(store: RoomStore): RoomPermissions {
  const path = `/contracts/${encodeURIComponent(store.contract_id)}/permissions`
  const shown = signal<Permitted | undefined>(undefined)
  const error = signal<RefusedError | undefined>(undefined)
  const used = new Map<PermissionFlag, FlagUse>()
  let rest: ReturnType<typeof setTimeout> | undefined
  let isWanted = false
  let isClosed = false

  async function reload(): Promise<void> {
    if (rest !== undefined) {
      isWanted = true
      return
    }
    isWanted = false
    rest = setTimeout(onRested, REST_MS)
    try {
      const answer = await api<Permitted>('GET', path)
      if (!isClosed) show(answer)
    } catch (thrown) {
      error.value = toRefused(thrown)
    }
  }

  function onRested(): void {
    rest = undefined
    if (isWanted && !isClosed) void reload()
  }

  function show(answer: Permitted): void {
    shown.value = { ...answer, flags: withUses(answer.flags, used) }
    error.value = undefined
  }

  function onEvent(event: WireEvent): void {
    if (event.type === 'redacted') return
    if (CHANGES.has(event.type)) void reload()
    if (event.by.id !== store.view.peek().contract?.provider_id) return
    const uses = permissionsUsedBy(event)
    for (const [flag, what] of uses) used.set(flag, { at: event.at, what, contract_id: store.contract_id, seq: event.seq })
    const last = shown.peek()
    if (uses.length > 0 && last !== undefined) show(last)
  }

  async function set(of: 'contract' | 'agent', flag: PermissionFlag, value: boolean): Promise<void> {
    const provider = store.view.peek().contract?.provider_id ?? ''
    await api('PUT', of === 'contract' ? path : `/agents/${encodeURIComponent(provider)}/permissions`, { body: { [flag]: value } })
    await reload()
  }

  const stop = store.listen(onEvent)
  void reload()
  return {
    ...{ shown, error, reload, set },
    close() {
      isClosed = true
      clearTimeout(rest)
      stop()
    },
  }
}

/** What the events of this page say is newer than what the hub had written down. */
function withUses(flags: FlagRecords, used: ReadonlyMap<PermissionFlag, FlagUse>): FlagRecords {
  const news = [...used].filter(([flag, { at }]) => at > (flags[flag].last_used?.at ?? ''))
  return { ...flags, ...Object.fromEntries(news.map(([flag, last_used]) => [flag, { ...flags[flag], last_used }])) }
}
