import { type Connection, type mongo, Schema } from 'mongoose'
import type { ToolView } from '../../../shared/protocol/index.ts'
import { createBatchedReads } from '../../pipeline/store/batched-reads.ts'

/** What an agent registered last. The tools are kept as text: a schema may hold any key. */
export interface ToolSetDocument {
  _id: string
  tools: string
  /** The same by who registered them; a hub of before did not tell them apart. */
  parts?: string
  rev?: number
  registered_at: Date
}

/** One part of a call's streamed output. `_id` is `<call_id>:<seq, 9 digits>`, so that a part cannot be there twice. */
export interface StreamPartDocument {
  _id: string
  call_id: string
  seq: number
  chunk: string
  /** The floor's term under which it was made. */
  term: number
  /** In the place of a part: who writes the call's outcome. Nothing comes behind it. */
  holders?: string[]
  sealed_at?: Date
}

export function createToolModels(connection: Connection) {
  const options = { strict: false, versionKey: false, autoIndex: false, autoCreate: false } as const
  const toolSets = connection.model('ToolSet', new Schema({ _id: String }, options), 'tool_sets').collection
  const parts = connection.model('StreamPart', new Schema({ _id: String }, options), 'stream_parts').collection
  return {
    toolSets: toolSets as unknown as mongo.Collection<ToolSetDocument>,
    parts: parts as unknown as mongo.Collection<StreamPartDocument>,
  }
}

export type ToolModels = ReturnType<typeof createToolModels>

/** What an agent can do, by the store each time: it may have registered at another node. */
export function createToolsOf({ toolSets }: ToolModels): (agent_id: string) => Promise<ToolView[]> {
  const read = createBatchedReads(async (ids) => {
    const found = await toolSets.find({ _id: { $in: ids } }).toArray()
    return new Map(found.map(({ _id, tools }) => [_id, tools]))
  })
  return async (agent_id) => {
    const tools = await read(agent_id)
    return tools === undefined ? [] : JSON.parse(tools)
  }
}
