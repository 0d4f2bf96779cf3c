import { LRUCache } from 'lru-cache'
import { ParleyError } from '../../../../shared/protocol/index.ts'
import type { Clock } from '../../../core/clock.ts'
import type { createSchemaThread, Outcome } from './schema-thread.ts'
import type { SchemaQuestion } from './schema-worker.ts'

/** A question that is answered in this time costs nothing. */
const FREE_MS = 20
const COST_OF_A_KILL_MS = 500
/** What a payer may cost in a minute: four kills. */
const MOST_COST_MS = 2_000
const MINUTE_MS = 60_000
const MOST_WAITING = 2_000

/** Who is charged: the agent for compiling its schemas; for a check, whoever sent the input, and with this agent alone. */
export interface Payer {
  agent_id: string
  caller_id?: string
}

interface Job {
  payer: Payer
  questions: SchemaQuestion[]
  at: number
  /** False: the rest need not be asked. */
  heard(outcome: Outcome, question: SchemaQuestion): boolean
  resolve(): void
  reject(cause: unknown): void
}

/**
 * Who asks the thread next. The jobs of one payer keep their order; the payers take turns, question by question, and whose questions
 * were slow lately comes after all others. Past a limit he is refused for the rest of the minute, and nobody else is: neither an
 * agent's other callers nor the agent pay for what one caller sends.
 */
export function createCheckTurns({ clock, thread }: { clock: Clock; thread: ReturnType<typeof createSchemaThread> }) {
  const waiting = new Map<string, Job[]>()
  const costs = new LRUCache<string, { since_ms: number; cost_ms: number }>({ max: 10_000 })
  let isRunning = false

  function costOf(name: string): { since_ms: number; cost_ms: number } {
    const known = costs.get(name)
    if (known !== undefined && clock.monotonic() - known.since_ms < MINUTE_MS) return known
    return { since_ms: clock.monotonic(), cost_ms: 0 }
  }

  /** Throws RATE_LIMITED when the payer's questions were too slow for too long. */
  function refuseWhenSpent(payer: Payer): void {
    const { since_ms, cost_ms } = costOf(nameOf(payer))
    if (cost_ms >= MOST_COST_MS)
      throw new ParleyError('RATE_LIMITED', {
        detail: payer.caller_id === undefined ? "the agent's schemas took too long to compile" : 'your inputs took too long to check',
        retry_after_ms: Math.ceil(since_ms + MINUTE_MS - clock.monotonic()),
      })
  }

  /** Resolves when all questions were answered, or one in such a way that the rest need not be asked. */
  function ask(payer: Payer, questions: SchemaQuestion[], heard: Job['heard']): Promise<void> {
    refuseWhenSpent(payer)
    const name = nameOf(payer)
    const jobs = waiting.get(name) ?? []
    if (jobs.length >= MOST_WAITING) throw new ParleyError('OVERLOADED', { detail: `${MOST_WAITING} checks wait` })
    return new Promise((resolve, reject) => {
      jobs.push({ payer, questions, at: 0, heard, resolve, reject })
      waiting.set(name, jobs)
      if (!isRunning) void run()
    })
  }

  async function run(): Promise<void> {
    isRunning = true
    for (let name = next(); name !== undefined; name = next()) await takeTurn(name)
    isRunning = false
  }

  function next(): string | undefined {
    let least: { name: string; cost_ms: number } | undefined
    for (const name of waiting.keys()) {
      const { cost_ms } = costOf(name)
      if (least === undefined || cost_ms < least.cost_ms) least = { name, cost_ms }
    }
    return least?.name
  }

  async function takeTurn(name: string): Promise<void> {
    const jobs = waiting.get(name) ?? []
    // To the end of the row.
    waiting.delete(name)
    waiting.set(name, jobs)
    const job = jobs[0]
    const question = job?.questions[job.at]
    try {
      let goesOn = false
      if (job !== undefined && question !== undefined) {
        refuseWhenSpent(job.payer)
        const outcome = await thread.ask(question)
        charge(name, outcome)
        job.at += 1
        goesOn = job.heard(outcome, question) && job.at < job.questions.length
      }
      if (goesOn) return
      job?.resolve()
    } catch (cause) {
      job?.reject(cause)
    }
    jobs.shift()
    if (jobs.length === 0) waiting.delete(name)
  }

  function charge(name: string, outcome: Outcome): void {
    if (outcome === 'closed') return
    const more_ms = outcome === 'killed' ? COST_OF_A_KILL_MS : outcome.took_ms - FREE_MS
    if (more_ms <= 0) return
    const { since_ms, cost_ms } = costOf(name)
    costs.set(name, { since_ms, cost_ms: cost_ms + more_ms })
  }

  return { ask }
}

function nameOf({ agent_id, caller_id }: Payer): string {
  return caller_id === undefined ? agent_id : `${agent_id} ${caller_id}`
}
