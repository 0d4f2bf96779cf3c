import {
  type Checkpoint,
  type ContractSummary,
  http,
  type LogVerdict,
  ParleyError,
  type Permissions,
} from '../../../shared/protocol/index.ts'
import { authorize } from '../../core/access/authorize.ts'
import { isOperator, isStaffMember, seesNotes } from '../../core/access/principal.ts'
import { requireProfile } from '../../core/access/profile.ts'
import { tokensAsked } from '../../core/words/tokens.ts'
import { etagOf } from '../../pipeline/http/conditional.ts'
import { listLink } from '../../pipeline/http/list-link.ts'
import { drawPage } from '../../pipeline/http/list-page.ts'
import { pathId } from '../../pipeline/http/path-id.ts'
import { principalOf, type Route, type RouteRequest } from '../../pipeline/http/route.ts'
import type { Log } from '../../pipeline/log/log.ts'
import { type RecordFrame, streamOf } from '../../pipeline/log/record.ts'
import { parse } from '../../pipeline/parse.ts'
import { eventId, type StoredEvent } from '../../pipeline/store/event-store.ts'
import { createFairTurns } from '../../pipeline/store/fair-turns.ts'
import type { ContractRows } from './contract-rows.ts'
import type { ContractDocument, RoomModels } from './model.ts'
import { openContract } from './open-contract.ts'
import { cutPage } from './reading/cut-page.ts'
import type { Party } from './reading/describe-room.ts'
import { redact } from './reading/redact.ts'
import { createSearchRoom } from './search/search-room.ts'
import { createWordBlocks } from './search/word-blocks.ts'

export interface RoomRouteDeps {
  log: Log
  rows: ContractRows
  models: RoomModels
  record: RecordFrame
  /** A page of events has at most so many bytes, and at least one event. */
  page_bytes: number
  parties(ids: string[]): Promise<Map<string, Party>>
  verifyStream(stream: string, by: { asker_id: string }): Promise<LogVerdict>
  /** The signed places of a log behind a place, in order. */
  readCheckpoints(stream: string, after: number, limit: number): Promise<Checkpoint[]>
  /** What an agent may do at most; undefined for a human. */
  grantsOf(id: string): Promise<{ permissions: Permissions; version: number } | undefined>
}

/** The first of them: one a minute while the room is in use, so a week of it without a pause. */

/** Searches under way in all, and of one principal. The others wait, the principals in turn. */
const SEARCHES = { at_once: 4, per_lane: 1 }
/** A page of a search that is full is not counted on for longer: `total` says that it is capped. */
const MOST_COUNTED_BYTES = 4_194_304

/** A contract made directly lets the agent talk, unless it says otherwise; everything else is denied by default. */
const directPermissions: Permissions = {
  can_read_attachments: false,
  can_access_web: false,
  can_run_code_sandbox: false,
  can_message_requester: true,
}

export function roomRoutes(deps: RoomRouteDeps): Route[] {
  const { log, rows, models, record, page_bytes, parties, verifyStream, readCheckpoints, grantsOf } = deps
  const searches = createFairTurns(SEARCHES)
  const searchRoom = createSearchRoom({ log, blocks: createWordBlocks({ models, log }) })

  async function open(request: RouteRequest) {
    const principal = principalOf(request)
    const { permissions, requester_id, provider_id, title, value } = parse(http['POST /contracts'].body, request.body)
    if (!isOperator(principal) && principal.id !== requester_id) {
      throw new ParleyError('PERMISSION_DENIED', {
        detail: 'Only the requester itself or the operator opens its contract',
        principal_id: requester_id,
      })
    }
    const known = await knownParties({ requester_id, provider_id })
    if (known.get(provider_id)?.kind === 'agent') requireProfile(principal, { agents: [provider_id] })
    const contract_id = request.new_id
    const own = await grantsOf(provider_id)
    const frame = {
      contract_id,
      title,
      requester_id,
      provider_id,
      permissions: { ...directPermissions, ...permissions },
      ...(own ? { grants: own.permissions, grants_version: own.version } : {}),
      ...(value ? { value } : {}),
    }
    const { stored } = await record(openContract, frame, principal)
    await rows.follow(streamOf(contract_id), stored)
    return { status: 201, body: { contract_id }, headers: { Location: `/contracts/${contract_id}` } }
  }

  async function knownParties(ids: { requester_id: string; provider_id: string }) {
    const known = await parties([ids.requester_id, ids.provider_id])
    const errors = (['requester_id', 'provider_id'] as const)
      .filter((field) => !known.has(ids[field]))
      .map((field) => ({ pointer: `/${field}`, detail: 'no such user or agent' }))
    if (ids.requester_id === ids.provider_id) errors.push({ pointer: '/provider_id', detail: 'is the requester itself' })
    if (errors.length > 0) throw new ParleyError('REQUEST_INVALID', { errors })
    return known
  }

  async function list(request: RouteRequest) {
    const query = parse(http['GET /contracts'].query, request.query)
    const principal = principalOf(request)
    const { rows: items, page } = await rows.list(isStaffMember(principal) ? undefined : [principal.id, ...principal.owns], query)
    const people = await parties([...new Set(items.flatMap(({ requester_id, provider_id }) => [requester_id, provider_id]))])
    const named = items.map((row) => ({
      ...summaryOf(row),
      // A hub of before that works beside this one makes rows without it.
      last_activity_at: (row.last_activity_at ?? row.opened_at).toISOString(),
      parties: [row.requester_id, row.provider_id].flatMap((id) => people.get(id) ?? []),
    }))
    return { status: 200, body: { items: named, ...page }, headers: listLink(request.path, query, page.next_cursor) }
  }

  async function show(request: RouteRequest) {
    const { contract_id, stream } = await enter(request)
    const row = await rows.find(contract_id)
    if (row === undefined) throw new ParleyError('NOT_FOUND')
    const { permissions } = stream.room
    const body = { ...summaryOf(row), permissions, head: stream.head, epoch: log.epoch } satisfies ContractSummary
    return { status: 200, body, etag: etagOf(body) }
  }

  async function events(request: RouteRequest) {
    const { after, limit } = parse(http['GET /contracts/:id/events'].query, request.query)
    const { stream, seesNotes } = await enter(request)
    const page = cutPage((await log.page(stream.id, after, limit, page_bytes)).events, 0, page_bytes)
    return { status: 200, body: { events: page.map((stored) => redact(stored, seesNotes)), head: stream.head, epoch: log.epoch } }
  }

  async function search(request: RouteRequest) {
    const query = parse(http['GET /contracts/:id/search'].query, request.query)
    const { stream, seesNotes } = await enter(request)
    const words = tokensAsked(query.q)
    if (words.length === 0) throw new ParleyError('REQUEST_INVALID', { errors: [{ pointer: '/q', detail: 'holds no word' }] })
    let work = 0
    const onWork = (bytes: number) => {
      work += bytes
    }
    const found = searchRoom(stream, { words, seesNotes, order: query.sort_order, onWork })
    const drawing = {
      query,
      name: `search ${stream.id}`,
      idOf: ({ seq }: StoredEvent) => eventId(stream.id, seq),
      costsEnough: () => work > MOST_COUNTED_BYTES,
    }
    const { rows: events, page } = await searches.run(principalOf(request).id, () => drawPage(found, drawing))
    const items = events.map((stored) => redact(stored, seesNotes))
    return { status: 200, body: { items, ...page }, headers: listLink(request.path, query, page.next_cursor) }
  }

  async function verify(request: RouteRequest) {
    const { stream } = await enter(request)
    return { status: 200, body: await verifyStream(stream.id, { asker_id: principalOf(request).id }) }
  }

  async function checkpoints(request: RouteRequest) {
    const { after, limit } = parse(http['GET /contracts/:id/log/checkpoints'].query, request.query)
    const { stream } = await enter(request)
    return { status: 200, body: { items: await readCheckpoints(stream.id, after, limit) } }
  }

  /** The contract that the path names, for one who may see it. */
  async function enter(request: RouteRequest) {
    const contract_id = pathId(request)
    const stream = await log.refresh(streamOf(contract_id))
    const principal = principalOf(request)
    authorize(stream.room, 'room.join', principal)
    return { contract_id, stream, seesNotes: stream.room.contract !== null && seesNotes(principal, stream.room.contract) }
  }

  return [
    { method: 'POST', path: '/contracts', access: 'principal', scope: 'rooms:write', handle: open },
    { method: 'GET', path: '/contracts', access: 'principal', scope: 'rooms:read', handle: list },
    { method: 'GET', path: '/contracts/:id', access: 'principal', scope: 'rooms:read', handle: show },
    { method: 'GET', path: '/contracts/:id/events', access: 'principal', scope: 'rooms:read', handle: events },
    { method: 'GET', path: '/contracts/:id/search', access: 'principal', scope: 'rooms:read', handle: search },
    { method: 'GET', path: '/contracts/:id/log/verify', access: 'principal', scope: 'rooms:read', handle: verify },
    { method: 'GET', path: '/contracts/:id/log/checkpoints', access: 'principal', scope: 'rooms:read', handle: checkpoints },
  ]
}

interface AsOpened {
  grants?: Permissions
  grants_version?: number
}

/** What the agent may do at most is the agent's, and is not shown with its contracts. */
function summaryOf({
  _id,
  opened_at,
  ended_at,
  last_activity_at: _last,
  grants: _grants,
  grants_version: _version,
  ...row
}: ContractDocument & AsOpened) {
  return {
    contract_id: _id,
    ...row,
    opened_at: opened_at.toISOString(),
    ...(ended_at === undefined ? {} : { ended_at: ended_at.toISOString() }),
  }
}
