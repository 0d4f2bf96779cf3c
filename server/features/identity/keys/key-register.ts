import { MOST_AGENT_KEYS, ParleyError } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'
import type { AgentKeyDocument, LiveKey, Model } from '../model.ts'

/** A key that is being made has its place in the list before it has its row. */
const MAKING_MS = 60_000
const MOST_TRIES = 50

/**
 * Which keys of an agent are good. Each change is one conditional update of one document: two that are made at once never both rest
 * on the same state, so there are never more keys than may be, and never none when that must not be.
 */
export function createKeyRegister({ model: { agents, agentKeys }, clock }: { model: Model; clock: Clock }) {
  /** Throws KEY_LIMIT_REACHED. A key that replaces another counts together with it. */
  function add(agent_id: string, key: LiveKey): Promise<void> {
    return change(agent_id, async (all) => {
      // A try before this one may have put it there.
      const live = all.filter(({ id }) => id !== key.id)
      if (familiesOf([...live, key]) <= MOST_AGENT_KEYS) return [...live, key]
      const sound = await soundOf(live)
      if (familiesOf([...sound, key]) > MOST_AGENT_KEYS) throw new ParleyError('KEY_LIMIT_REACHED', { keys: MOST_AGENT_KEYS })
      return [...sound, key]
    })
  }

  /** Throws LAST_KEY where one must be left. Nothing happens to a key that is not there any more. */
  function remove(agent_id: string, key_id: string, { keepsOne }: { keepsOne: boolean }): Promise<void> {
    return change(agent_id, async (live) => {
      const rest = live.filter(({ id }) => id !== key_id)
      if (keepsOne && (await soundOf(rest)).length === 0) throw new ParleyError('LAST_KEY')
      return rest
    })
  }

  async function change(agent_id: string, next: (live: LiveKey[]) => Promise<LiveKey[]>): Promise<void> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const agent = await agents.findOne({ _id: agent_id }, { projection: { live_keys: 1, keys_rev: 1 } })
      if (agent === null) throw new ParleyError('NOT_FOUND')
      const { keys_rev, live_keys } = agent
      const changed = { $set: { live_keys: await next(live_keys) }, $inc: { keys_rev: 1 } }
      if ((await agents.updateOne({ _id: agent_id, keys_rev }, changed)).matchedCount === 1) return
    }
    throw new ParleyError('OVERLOADED', { detail: 'The keys of the agent are changed too often at once' })
  }

  /** Without those that a crash left in the list, and those whose time is over. */
  async function soundOf(live: readonly LiveKey[]): Promise<LiveKey[]> {
    const now = clock.now()
    const ids = { _id: { $in: live.map(({ id }) => id) } }
    const rows = await agentKeys.find(ids, { projection: { status: 1, expires_at: 1 } }).toArray()
    const isGood = new Map(rows.map((row) => [row._id, row.status === 'active' && !isOver(row, now)]))
    return live.filter(({ id }) => isGood.get(id) ?? now - madeAt(id) < MAKING_MS)
  }

  return { add, remove }
}

export type KeyRegister = ReturnType<typeof createKeyRegister>

export function isOver({ expires_at }: Pick<AgentKeyDocument, 'expires_at'>, now_ms: number): boolean {
  return expires_at !== null && expires_at.getTime() <= now_ms
}

function familiesOf(live: readonly LiveKey[]): number {
  return new Set(live.map(({ family_id }) => family_id)).size
}

/** The moment in a UUID of version 7 (RFC 9562). */
function madeAt(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
}
