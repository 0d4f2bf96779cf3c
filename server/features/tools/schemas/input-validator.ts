import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type FieldError, ParleyError, type ToolView } from '../../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../../shared/rules/canonical-json.ts'
import type { Clock } from '../../../core/clock.ts'
import { createCheckTurns } from './check-turns.ts'
import { createSchemaThread, type Outcome } from './schema-thread.ts'
import type { SchemaQuestion } from './schema-worker.ts'

/** A schema comes from a stranger: past this size compiling it costs the hub more than any honest tool needs. */
const LARGEST_SCHEMA = 65_536
/** A schema that was slow once may have met a busy machine: after this time it is tried again. */
const REFUSED_FOR_MS = 600_000
const TOO_SLOW = 'takes too long to compile'

interface CheckAsked {
  agent_id: string
  caller_id: string
  tool: ToolView
  input: unknown
}

/** Compiles tools' input schemas and checks inputs, in a thread beside the hub: no schema and no input can hang the hub. */
export function createInputValidators({ clock }: { clock: Clock }) {
  const thread = createSchemaThread()
  const turns = createCheckTurns({ clock, thread })
  /** Why a schema was refused, by the hash of its text. */
  const refused = new LRUCache<string, string>({
    ...{ max: 1_000, maxSize: 4_000_000, ttl: REFUSED_FOR_MS },
    sizeCalculation: (detail) => detail.length + 100,
  })

  /** Resolves when all compile. TOOL_SCHEMA_INVALID, with a pointer to the first schema that does not. */
  async function compile(agent_id: string, schemas: readonly { input_schema: unknown; pointer: string }[]): Promise<void> {
    const pointers = new Map<SchemaQuestion, string>()
    let bad: ParleyError | undefined
    for (const { input_schema, pointer } of schemas) {
      const question = toQuestion(input_schema, pointer)
      if (question instanceof ParleyError) {
        bad = question
        break
      }
      pointers.set(question, pointer)
    }
    if (bad !== undefined && pointers.size === 0) throw bad
    await turns.ask({ agent_id }, [...pointers.keys()], (outcome, question) => {
      const detail = refusalOf(outcome, question)
      if (detail === undefined) return true
      bad = schemaInvalid(pointers.get(question) ?? '', detail)
      return false
    })
    if (bad !== undefined) throw bad
  }

  /** What is wrong with the input for the agent's tool. The input is the caller's, so the time is too. */
  async function faults({ agent_id, caller_id, tool, input }: CheckAsked): Promise<FieldError[]> {
    const question = toQuestion(tool.input_schema, '/input_schema')
    if (question instanceof ParleyError) throw question
    let found: FieldError[] = []
    await turns.ask({ agent_id, caller_id }, [{ ...question, check: { input } }], (outcome) => {
      // The schema compiled once, so that it may have been the input: the schema is not refused for it.
      if (outcome === 'killed') {
        found = [{ pointer: '', detail: 'took too long to check' }]
        return true
      }
      const detail = refusalOf(outcome, question)
      if (detail !== undefined) throw schemaInvalid('/input_schema', detail)
      if (typeof outcome === 'object' && 'faults' in outcome) found = outcome.faults
      return true
    })
    return found
  }

  /** The refusal when it is known without asking. */
  function toQuestion(input_schema: unknown, pointer: string): SchemaQuestion | ParleyError {
    const text = canonicalJson(input_schema)
    if (text.length > LARGEST_SCHEMA)
      return schemaInvalid(pointer, `the schema has ${text.length} characters, at most ${LARGEST_SCHEMA} are read`)
    const name = hash('sha256', text, 'hex')
    const known = refused.get(name)
    return known === undefined ? { name, input_schema } : schemaInvalid(pointer, known)
  }

  function refusalOf(outcome: Outcome, { name }: SchemaQuestion): string | undefined {
    if (outcome === 'closed') throw new ParleyError('OVERLOADED', { detail: 'the hub is closing' })
    if (outcome !== 'killed' && 'broken' in outcome) throw new Error(`a schema could not be looked at: ${outcome.broken}`)
    if (outcome !== 'killed' && !('refused' in outcome)) return undefined
    const detail = outcome === 'killed' ? TOO_SLOW : outcome.refused
    refused.set(name, detail)
    return detail
  }

  return { compile, faults, close: thread.close }
}

export type InputValidators = ReturnType<typeof createInputValidators>

function schemaInvalid(pointer: string, detail: string): ParleyError {
  return new ParleyError('TOOL_SCHEMA_INVALID', { errors: [{ pointer, detail }] })
}
