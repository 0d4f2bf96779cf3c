import { type Connection, type mongo, Schema } from 'mongoose'
import {
  type By,
  type FlagRecord,
  type FlagRecords,
  type FlagRefusal,
  type FlagUse,
  idSchema,
  ParleyError,
  type PermissionFlag,
  permissionFlags,
  type RecordedEvent,
} from '../../../shared/protocol/index.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import type { TurnedAway } from '../../pipeline/door-watch.ts'
import type { StoredEvent } from '../../pipeline/store/event-store.ts'

type Used = { last_used?: FlagUse; refusals?: number; last_refused?: FlagRefusal }
type UsedFlags = Partial<Record<PermissionFlag, Used>>

/** What became of the permissions of one contract, or of one agent. */
interface UsesDocument {
  /** `contract:<id>` or `agent:<id>`. */
  _id: string
  flags: UsedFlags
}

/** So much a crash forgets at most, and so late other hubs hear of it. */
const WRITE_EVERY_MS = 30_000
/** Contracts and agents that wait to be written; more are written at once. */
const MOST_WAITING = 10_000

/**
 * What used each permission last, and what was refused for want of it. Gathered in memory and written now and then: a message must not
 * cost a write. What was gathered about a subject is written before it is asked for.
 */
export function createPermissionUses({
  connection,
  clock,
  onTrouble,
}: {
  connection: Connection
  clock: Clock
  onTrouble(what: string, cause: unknown): void
}) {
  const schema = new Schema({ _id: String }, { strict: false, versionKey: false, autoIndex: false, autoCreate: false })
  const { collection } = connection.model('PermissionUse', schema, 'permission_uses')
  // The cast holds: mongoose gives the driver's own collection, and nobody else writes to it.
  const uses = collection as unknown as mongo.Collection<UsesDocument>
  let gathered = new Map<string, UsedFlags>()
  let cancel: (() => void) | undefined
  let writing = Promise.resolve()

  /** Events of a room that this hub has just recorded; those of its provider's agent may have used a permission. */
  function committed(contract_id: string, news: readonly StoredEvent[], provider_id: string | undefined): void {
    if (provider_id === undefined) return
    for (const { event } of news) {
      if (event.by.kind !== 'agent' || event.by.id !== provider_id) continue
      for (const [flag, what] of usedBy(event)) {
        const last_used = { at: event.at, what, contract_id, seq: event.seq }
        note({ contract_id, agent_id: provider_id }, flag, () => ({ last_used }))
      }
    }
  }

  /** Something was turned away: counted where it was for want of a permission. */
  function turnedAway({ error, door, principal, subject }: TurnedAway): void {
    if (!(error instanceof ParleyError) || error.code !== 'PERMISSION_DENIED' || principal?.kind !== 'agent') return
    const { permission, by: denied_by } = error.facts
    const contract_id = idSchema.safeParse(subject?.type === 'contract' ? subject.id : undefined)
    if (!contract_id.success || !isFlag(permission) || !isSide(denied_by)) return
    const about = { what: door.replace(/^frame /, ''), contract_id: contract_id.data, denied_by }
    const last_refused = { at: isoTime(clock.now()), ...about }
    note({ contract_id: contract_id.data, agent_id: principal.id }, permission, ({ refusals = 0 }) => ({
      refusals: refusals + 1,
      last_refused,
    }))
  }

  function note(of: { contract_id: string; agent_id: string }, flag: PermissionFlag, news: (known: Used) => Used): void {
    for (const subject of [`contract:${of.contract_id}`, `agent:${of.agent_id}`]) {
      const flags = gathered.get(subject) ?? {}
      flags[flag] = { ...flags[flag], ...news(flags[flag] ?? {}) }
      gathered.set(subject, flags)
    }
    if (gathered.size > MOST_WAITING) void write()
    else cancel ??= clock.after(WRITE_EVERY_MS, () => void write())
  }

  function write(): Promise<void> {
    cancel?.()
    cancel = undefined
    const news = gathered
    gathered = new Map()
    return save([...news])
  }

  /** In turn. Lost when it fails: it is no proof, and to keep it would let it grow while the database is away. */
  function save(news: [string, UsedFlags][]): Promise<void> {
    if (news.length === 0) return writing
    const updates = news.map(([_id, flags]) => ({ updateOne: { filter: { _id }, update: updateOf(flags), upsert: true } }))
    writing = writing
      .then(() => uses.bulkWrite(updates, { ordered: false }))
      .then(
        () => undefined,
        (cause: unknown) => onTrouble('the uses of permissions were not kept', cause),
      )
    return writing
  }

  async function read(subject: string): Promise<UsedFlags> {
    const mine = gathered.get(subject)
    gathered.delete(subject)
    await save(mine === undefined ? [] : [[subject, mine]])
    return (await uses.findOne({ _id: subject }))?.flags ?? {}
  }

  /** For each flag who set it, as `grantOf` says, and what became of it. */
  async function records(
    subject: { type: 'contract' | 'agent'; id: string },
    grantOf: (flag: PermissionFlag) => { by: By; at: string },
  ): Promise<FlagRecords> {
    const found = await read(`${subject.type}:${subject.id}`)
    const recordOf = (flag: PermissionFlag): FlagRecord => {
      const { last_used = null, refusals = 0, last_refused = null } = found[flag] ?? {}
      const { by: granted_by, at: granted_at } = grantOf(flag)
      return { granted_by, granted_at, last_used, refusals, last_refused }
    }
    return {
      can_read_attachments: recordOf('can_read_attachments'),
      can_access_web: recordOf('can_access_web'),
      can_run_code_sandbox: recordOf('can_run_code_sandbox'),
      can_message_requester: recordOf('can_message_requester'),
    }
  }

  return { committed, turnedAway, records, close: write }
}

export type PermissionUses = ReturnType<typeof createPermissionUses>

/** Which permissions an event of the agent rests on, and what made it. */
function usedBy({ type, data }: RecordedEvent): [PermissionFlag, string][] {
  switch (type) {
    case 'message.posted': {
      const used: [PermissionFlag, string][] = data.visibility === 'all' ? [['can_message_requester', 'message.post']] : []
      return data.evidence === undefined ? used : [...used, ['can_read_attachments', 'message.post']]
    }
    case 'call.requested':
      return [['can_message_requester', 'tool.call']]
    case 'contract.ended':
      return data.reason === undefined ? [] : [['can_message_requester', 'contract.end']]
    case 'call.cancel_requested':
      return data.reason === undefined ? [] : [['can_message_requester', 'tool.cancel']]
    default:
      return []
  }
}

/** The latest of what several hubs write stands: times come first in what is compared, and as text they sort by time. */
function updateOf(flags: UsedFlags): mongo.UpdateFilter<UsesDocument> {
  const $max: Record<string, object> = {}
  const $inc: Record<string, number> = {}
  for (const [flag, { last_used, refusals, last_refused }] of Object.entries(flags)) {
    if (last_used !== undefined) $max[`flags.${flag}.last_used`] = last_used
    if (last_refused !== undefined) $max[`flags.${flag}.last_refused`] = last_refused
    if (refusals !== undefined) $inc[`flags.${flag}.refusals`] = refusals
  }
  // The cast holds: the paths are those of the document's own type.
  return { $max, $inc } as mongo.UpdateFilter<UsesDocument>
}

function isFlag(value: unknown): value is PermissionFlag {
  return permissionFlags.some((flag) => flag === value)
}

function isSide(value: unknown): value is FlagRefusal['denied_by'] {
  return value === 'agent' || value === 'contract' || value === 'key'
}
