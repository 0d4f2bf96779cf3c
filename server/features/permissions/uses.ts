import { type Connection, type mongo, Schema } from 'mongoose'
import {
  type BoundRefusal,
  type By,
  type FlagRecord,
  type FlagRecords,
  type FlagRefusal,
  type FlagUse,
  type PermissionFlag,
  type ProfileRule,
  profileRules,
} from '../../../shared/protocol/index.ts'
import { permissionsUsedBy } from '../../../shared/rules/permission-use.ts'
import { type Clock, isoTime } from '../../core/clock.ts'
import type { TurnedAway } from '../../pipeline/door-watch.ts'
import type { StoredEvent } from '../../pipeline/store/event-store.ts'
import { refusalOf } from './refusal-of.ts'

type Used = { last_used?: FlagUse; refusals?: number; last_refused?: FlagRefusal }
/** Of a flag, or of a bound of a key's profile, which is only ever refused. */
type UsedFlags = Partial<Record<PermissionFlag | ProfileRule, Used>>

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
      for (const [flag, what] of permissionsUsedBy(event)) {
        const last_used = { at: event.at, what, contract_id, seq: event.seq }
        note({ contract_id, agent_id: provider_id }, flag, () => ({ last_used }))
      }
    }
  }

  /** Something was turned away: counted where it was for want of a permission. */
  function turnedAway(turned_away: TurnedAway): void {
    const refusal = refusalOf(turned_away)
    if (refusal === undefined) return
    const { contract_id, agent_id, lacks, denied_by, what } = refusal
    const last_refused = { at: isoTime(clock.now()), what, contract_id, denied_by }
    note({ contract_id, agent_id }, lacks, ({ refusals = 0 }) => ({ refusals: refusals + 1, last_refused }))
  }

  function note(of: { contract_id: string; agent_id: string }, flag: PermissionFlag | ProfileRule, news: (known: Used) => Used): void {
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

  /** Writes what was gathered about a subject. */
  function keep(subject: string): Promise<void> {
    const mine = gathered.get(subject)
    gathered.delete(subject)
    return save(mine === undefined ? [] : [[subject, mine]])
  }

  async function read(subject: string): Promise<UsedFlags> {
    await keep(subject)
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

  /** The bounds of keys' profiles that were passed in a contract. */
  async function passedBounds(contract_id: string): Promise<BoundRefusal[]> {
    const found = await read(`contract:${contract_id}`)
    return profileRules.flatMap((rule) => {
      const { refusals = 0, last_refused } = found[rule] ?? {}
      return last_refused === undefined ? [] : [{ rule, refusals, last_refused }]
    })
  }

  return { committed, turnedAway, records, passedBounds, keep: (contract_id: string) => keep(`contract:${contract_id}`), close: write }
}

export type PermissionUses = ReturnType<typeof createPermissionUses>

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
