import { type Connection, type mongo, Schema } from 'mongoose'

/** An agent's session outlives its connection and the hub: `resume` takes it up again. */
export interface AgentSessionDocument {
  _id: string
  agent_id: string
  agent_name: string
  agent_version: string
  started_at: Date
  /** The last sign of life: hello or heartbeat. */
  seen_at: Date
  /** When its connection was lost, of one that is not live. */
  lost_at?: Date
  /** The node that holds its connection, and since when. */
  node_id: string
  hello_at: Date
  /** When that node last said so: a node that is dead says nothing more. */
  held_at: Date
  live: boolean
  /** Its silence is to be told: it has not hung up, nor is it told already. */
  watched?: true
  /** Its agent was told unhealthy for it, or may have been: whoever hears of the agent again tells it recovered. */
  ill?: true
  /** Which node tells it now, by the end of its lease. */
  claimed_until?: Date
  /** Set while nothing more can follow from it. */
  expires_at?: Date
  /** Of the key that it said hello with. */
  key_id?: string
  /** The key whose bounds it shares (`countedAs`). */
  counted_as?: string
  /** The tools that it registered itself, or else those that its key allows; null = the agent's stored set. */
  tools: readonly string[] | null
}

export function createAgentModels(connection: Connection) {
  const schema = new Schema({ _id: String }, { strict: false, versionKey: false, autoIndex: false, autoCreate: false })
  return {
    sessions: connection.model('AgentSession', schema, 'agent_sessions').collection as unknown as mongo.Collection<AgentSessionDocument>,
  }
}

export type AgentModels = ReturnType<typeof createAgentModels>
