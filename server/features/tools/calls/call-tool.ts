import { type FieldError, type Limits, ParleyError, type RoomView, type ToolView } from '../../../../shared/protocol/index.ts'
import { requirePermission } from '../../../core/access/permit.ts'
import type { Principal } from '../../../core/access/principal.ts'
import { executionBoundOf, requireProfile } from '../../../core/access/profile.ts'
import { isoTime } from '../../../core/clock.ts'
import type { RecordedCommand } from '../../../pipeline/command.ts'
import { refuseWhenEnded } from '../../rooms/index.ts'

export interface CallFacts {
  tool: ToolView | undefined
  faults: FieldError[]
  /** Why the input was not checked. */
  unchecked?: ParleyError
}

export interface CallToolDeps {
  limits: Limits
  providerOf(contract_id: string): Promise<string | undefined>
  toolsOf(agent_id: string): Promise<ToolView[]>
  /** What is wrong with the input for the agent's tool; a ParleyError when it cannot be checked. */
  faults(agent_id: string, tool: ToolView, input: unknown): Promise<FieldError[]>
}

/** How many calls of one room may be open at once: each is state that every member holds. */
const MOST_OPEN_CALLS = 200

/**
 * Someone asks the provider's agent to use a tool. An unknown tool and an input that does not fit are recorded as `call.failed` at
 * once: the call has its one outcome, and the agent never sees it.
 */
export function createCallTool({ limits, providerOf, toolsOf, faults }: CallToolDeps): RecordedCommand<'tool.call', CallFacts> {
  return {
    kind: 'recorded',
    type: 'tool.call',
    keyOf: ({ key }) => key,
    prepare: async ({ tool: name, input }, contract_id) => {
      const provider_id = await providerOf(contract_id)
      const tools = provider_id === undefined ? [] : await toolsOf(provider_id)
      const tool = tools.find((one) => one.name === name)
      if (provider_id === undefined || tool === undefined) return { tool, faults: [] }
      try {
        return { tool, faults: await faults(provider_id, tool, input) }
      } catch (cause) {
        // Said by `decide`: to who may call, and not for a call that is recorded already.
        if (cause instanceof ParleyError) return { tool, faults: [], unchecked: cause }
        throw cause
      }
    },
    decide: (room, { tool: name, input, timeout_ms }, { actor, role, facts, newId, now_ms }) => {
      refuseWhenEndedOrFull(room)
      // Nobody asked it to: the input, the name and the output would be read by the requester as a message is.
      if (role === 'provider') requirePermission(room, actor, 'can_message_requester')
      requireProfile(actor, { tools: [name], agents: calledAgents(room, actor) })
      if (facts.unchecked !== undefined) throw facts.unchecked
      const call_id = newId()
      const { tool } = facts
      if (tool === undefined) return failed(call_id, name, 'TOOL_UNKNOWN', `The agent has no tool '${name}'`)
      if (facts.faults.length > 0) return failed(call_id, name, 'TOOL_INPUT_INVALID', sentence(facts.faults))
      const asked_ms = timeout_ms ?? tool.timeout_ms ?? limits.call_timeout_ms
      const time_ms = Math.min(asked_ms, limits.call_timeout_max_ms, executionBoundOf(actor) ?? Number.POSITIVE_INFINITY)
      const { requires_approval, risk } = tool
      return {
        event: {
          type: 'call.requested',
          data: { call_id, tool: name, input: input ?? null, deadline: isoTime(now_ms + time_ms), requires_approval, risk },
        },
      }
    },
    ack: ({ stored: { event }, duplicate }) => {
      if (event.type !== 'call.requested' && event.type !== 'call.failed') throw new Error(`a call was recorded as ${event.type}`)
      return { call_id: event.data.call_id, seq: event.seq, ...(duplicate ? { duplicate: true as const } : {}) }
    },
  }
}

function refuseWhenEndedOrFull(room: RoomView): void {
  refuseWhenEnded(room)
  if (room.calls.length >= MOST_OPEN_CALLS)
    throw new ParleyError('OVERLOADED', { detail: `${MOST_OPEN_CALLS} calls are open in this room` })
}

/** Its own tools are no other agent's. */
function calledAgents({ contract }: RoomView, actor: Principal): string[] {
  return contract === null || contract.provider_id === actor.id ? [] : [contract.provider_id]
}

function failed(call_id: string, tool: string, code: string, message: string) {
  return { event: { type: 'call.failed' as const, data: { call_id, tool, error: { code, message } } } }
}

function sentence(faults: readonly FieldError[]): string {
  return faults
    .map(({ pointer, detail }) => `${pointer === '' ? 'the input' : pointer} ${detail}`)
    .join('; ')
    .slice(0, 2_000)
}
