import type { FrameInput } from '../../../shared/protocol/index.ts'
import type { InputSchema, SchemaResult, ToolDefinition } from '../types.ts'

export type ToolFrame = FrameInput<'agent.tools.register'>['tools'][number]

/** A tool as the hub is told of it. */
export function toolFrame(tool: ToolDefinition): ToolFrame {
  const { name, description, input, requires_approval, risk, timeout_ms } = tool
  return {
    ...{ name, description },
    // The side that a caller writes: what has a default may be left out.
    input_schema: isSchema(input) ? input['~standard'].jsonSchema.input({ target: 'draft-2020-12' }) : input,
    ...(requires_approval === undefined ? {} : { requires_approval }),
    ...(risk === undefined ? {} : { risk }),
    ...(timeout_ms === undefined ? {} : { timeout_ms }),
  }
}

/** The input as `run` expects it. The hub checked its shape; the schema still adds defaults and what JSON Schema cannot say. */
export async function parseInput(tool: ToolDefinition, input: unknown): Promise<SchemaResult<unknown>> {
  return isSchema(tool.input) ? await tool.input['~standard'].validate(input) : { value: input }
}

function isSchema(input: ToolDefinition['input']): input is InputSchema<unknown> {
  return typeof input !== 'boolean' && '~standard' in input
}
