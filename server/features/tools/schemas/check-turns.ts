import { LRUCache } from 'lru-cache'
import { ParleyError } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'
import type { createSchemaThread, Outcome } from './schema-thread.ts'
import type { SchemaQuestion } from './schema-worker.ts'

/** A question that is answered in this time costs its agent nothing. */
const FREE_MS = 20
const COST_OF_A_KILL_MS = 500
/** What an agent's schemas may cost in a minute: four kills. */
const MOST_COST_MS = 2_000
const MINUTE_MS = 60_000
const MOST_WAITING = 2_000

interface Job {
  questions: SchemaQuestion[]
  at: number
  /** False: the rest need not be asked. */
  heard(outcome: Outcome, question: SchemaQuestion): boolean
  resolve(): void
  reject(cause: unknown): void
}

/**
 * Who asks the thread next. The jobs of one agent keep their order; the agents take turns, question by question, and whose schemas
 * were slow lately comes after all others. Past a limit he is refused for the rest of the minute.
 */
export function createCheckTurns({ clock, thread }: { clock: Clock; thread: ReturnType<typeof createSchemaThread> }) {
  const waiting = new Map<string, Job[]>()
  const costs = new LRUCache<string, { since_ms: number; cost_ms: number }>({ max: 10_000 })
  let isRunning = false

  function costOf(agent_id: string): { since_ms: number; cost_ms: number } {
    const known = costs.get(agent_id)
    if (known !== undefined && clock.monotonic() - known.since_ms < MINUTE_MS) return known
    return { since_ms: clock.monotonic(), cost_ms: 0 }
  }

  /** Throws RATE_LIMITED when the agent's schemas were too slow for too long. */
  function refuseWhenSpent(agent_id: string): void {
    const { since_ms, cost_ms } = costOf(agent_id)
    if (cost_ms >= MOST_COST_MS)
      throw new ParleyError('RATE_LIMITED', {
        detail: "the agent's schemas took too long to compile or to check",
        retry_after_ms: Math.ceil(since_ms + MINUTE_MS - clock.monotonic()),
      })
  }

  /** Resolves when all questions were answered, or one in such a way that the rest need not be asked. */
  function ask(agent_id: string, questions: SchemaQuestion[], heard: Job['heard']): Promise<void> {
    refuseWhenSpent(agent_id)
    const jobs = waiting.get(agent_id) ?? []
    if (jobs.length >= MOST_WAITING) throw new ParleyError('OVERLOADED', { detail: `${MOST_WAITING} checks of the agent wait` })
    return new Promise((resolve, reject) => {
      jobs.push({ questions, at: 0, heard, resolve, reject })
      waiting.set(agent_id, jobs)
      if (!isRunning) void run()
    })
  }

  async function run(): Promise<void> {
    isRunning = true
    for (let agent_id = next(); agent_id !== undefined; agent_id = next()) await takeTurn(agent_id)
    isRunning = false
  }

  function next(): string | undefined {
    let least: { agent_id: string; cost_ms: number } | undefined
    for (const agent_id of waiting.keys()) {
      const { cost_ms } = costOf(agent_id)
      if (least === undefined || cost_ms < least.cost_ms) least = { agent_id, cost_ms }
    }
    return least?.agent_id
  }

  async function takeTurn(agent_id: string): Promise<void> {
    const jobs = waiting.get(agent_id) ?? []
    // To the end of the row.
    waiting.delete(agent_id)
    waiting.set(agent_id, jobs)
    const job = jobs[0]
    const question = job?.questions[job.at]
    try {
      let goesOn = false
      if (job !== undefined && question !== undefined) {
        refuseWhenSpent(agent_id)
        const outcome = await thread.ask(question)
        charge(agent_id, outcome)
        job.at += 1
        goesOn = job.heard(outcome, question) && job.at < job.questions.length
      }
      if (goesOn) return
      job?.resolve()
    } catch (cause) {
      job?.reject(cause)
    }
    jobs.shift()
    if (jobs.length === 0) waiting.delete(agent_id)
  }

  function charge(agent_id: string, outcome: Outcome): void {
    if (outcome === 'closed') return
    const more_ms = outcome === 'killed' ? COST_OF_A_KILL_MS : outcome.took_ms - FREE_MS
    if (more_ms <= 0) return
    const { since_ms, cost_ms } = costOf(agent_id)
    costs.set(agent_id, { since_ms, cost_ms: cost_ms + more_ms })
  }

  return { ask }
}
