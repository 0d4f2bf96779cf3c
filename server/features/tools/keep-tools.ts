import { type BoundKey, type Limits, ParleyError, type ToolView } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import { toolsOf } from '../../core/access/tools-of.ts'
import type { Clock } from '../../core/clock.ts'
import { isDuplicateKey } from '../../core/duplicate-key.ts'
import type { ToolModels, ToolSetDocument } from './model.ts'

export interface KeepToolsDeps {
  models: ToolModels
  clock: Clock
  limits: Limits
  /** The good keys of an agent. */
  boundsOf(agent_id: string): Promise<BoundKey[]>
}

/** By who registered them, the newest last: of two tools of one name that one counts. */
type Parts = Record<string, ToolView[]>

/** The part of all keys that are bound to no tools: each speaks for the whole agent. */
const UNBOUND = 'all'
const MOST_TRIES = 20

/**
 * Keeps what an agent can do: what its newest registration says, and beside it what its good keys that are bound to tools have registered,
 * each for itself. Throws FRAME_INVALID when those of a bound key would make too many.
 */
export function createKeepTools({ models: { toolSets }, clock, limits, boundsOf }: KeepToolsDeps) {
  return async function keepTools(principal: Principal, tools: ToolView[]): Promise<void> {
    const { id: agent_id, credential } = principal
    const part = toolsOf(principal) === null || credential === undefined ? UNBOUND : credential.id
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const before = await toolSets.findOne({ _id: agent_id })
      const parts = { ...(await othersIn(before, { agent_id, part })), [part]: tools }
      const all = together(parts)
      if (part !== UNBOUND && all.length > limits.tools) throw tooMany(limits.tools)
      const texts = { tools: JSON.stringify(all), parts: JSON.stringify(parts) }
      const after = { ...texts, rev: (before?.rev ?? 0) + 1, registered_at: new Date(clock.now()) }
      if (await replaces(agent_id, before, after)) return
    }
    throw new ParleyError('OVERLOADED', { detail: 'The tools of the agent are registered too often at once' })
  }

  /** What the others have registered whose keys are good still. */
  async function othersIn(before: ToolSetDocument | null, { agent_id, part }: { agent_id: string; part: string }): Promise<Parts> {
    const parts: Parts = before === null ? {} : JSON.parse(before.parts ?? JSON.stringify({ [UNBOUND]: JSON.parse(before.tools) }))
    const others = Object.entries(parts).filter(([name]) => name !== part)
    const ofKeys = others.some(([name]) => name !== UNBOUND) ? await boundsOf(agent_id) : []
    const good = new Set([UNBOUND, ...ofKeys.map(({ key_id }) => key_id)])
    return Object.fromEntries(others.filter(([name]) => good.has(name)))
  }

  /** False when another registration came first. */
  async function replaces(_id: string, before: ToolSetDocument | null, after: Omit<ToolSetDocument, '_id'>): Promise<boolean> {
    if (before === null) {
      return toolSets.insertOne({ _id, ...after }).then(
        () => true,
        (error: unknown) => {
          if (isDuplicateKey(error)) return false
          throw error
        },
      )
    }
    const unchanged = before.rev === undefined ? { _id, rev: { $exists: false } } : { _id, rev: before.rev }
    return (await toolSets.updateOne(unchanged, { $set: after })).matchedCount === 1
  }
}

function together(parts: Parts): ToolView[] {
  return [...new Map(Object.values(parts).flatMap((tools) => tools.map((tool) => [tool.name, tool] as const))).values()]
}

function tooMany(most: number): ParleyError {
  return new ParleyError('FRAME_INVALID', {
    errors: [{ pointer: '/tools', detail: `at most ${most} tools, with those of the agent's other keys` }],
  })
}
