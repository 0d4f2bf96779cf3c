import {
  type CallView,
  type FieldError,
  type Limits,
  ParleyError,
  type RoomView,
  type ToolView,
} from '../../../../shared/protocol/index.ts'
import { authorize } from '../../../core/access/authorize.ts'
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
  roomOf(contract_id: string): Promise<RoomView>
  toolsOf(agent_id: string): Promise<ToolView[]>
  /** What is wrong with the input for the agent's tool; a ParleyError when it cannot be checked. The caller pays for the time it takes. */
  faults(asked: { agent_id: string; caller_id: string; tool: ToolView; input: unknown }): Promise<FieldError[]>
}

/** How many calls of one room may be open at once: each is state that every member holds. */
const MOST_OPEN_CALLS = 200
/** Their inputs in all, in bytes of JSON: whoever joins is given them with the room, and a slow line must get into it. */
const MOST_OPEN_INPUTS_BYTES = 2_097_152

/**
 * Someone asks the provider's agent to use a tool. An unknown tool and an input that does not fit are recorded as `call.failed` at
 * once: the call has its one outcome, and the agent never sees it.
 */
export function createCallTool({ limits, roomOf, toolsOf, faults }: CallToolDeps): RecordedCommand<'tool.call', CallFacts> {
  const sizes = new WeakMap<CallView, number>()

  function refuseWhenInputsAreFull({ calls }: RoomView, input: unknown): void {
    const open_bytes = calls.reduce((sum, call) => sum + sizeOf(call), 0)
    if (open_bytes + jsonBytes(input) <= MOST_OPEN_INPUTS_BYTES) return
    const detail = `The inputs of the ${calls.length} open calls have ${open_bytes} bytes, and all may have ${MOST_OPEN_INPUTS_BYTES}: let some end first`
    throw new ParleyError('OVERLOADED', { detail, open_bytes, most_bytes: MOST_OPEN_INPUTS_BYTES })
  }

  function sizeOf(call: CallView): number {
    const known = sizes.get(call) ?? jsonBytes(call.input)
    sizes.set(call, known)
    return known
  }

  return {
    kind: 'recorded',
    type: 'tool.call',
    keyOf: ({ key }) => key,
    prepare: async ({ tool: name, input }, contract_id, { session }) => {
      let tool: ToolView | undefined
      try {
        const provider_id = session && providerFor(session.principal, await roomOf(contract_id))
        tool = provider_id === undefined ? undefined : (await toolsOf(provider_id)).find((one) => one.name === name)
        if (session === undefined || provider_id === undefined || tool === undefined) return { tool, faults: [] }
        return { tool, faults: await faults({ agent_id: provider_id, caller_id: session.principal.id, tool, input }) }
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
      refuseWhenInputsAreFull(room, input)
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

/** Refuses who is nothing to the room before the hub looks at his input: a stranger's must cost nothing. No log makes him a party later. */
function providerFor(caller: Principal, room: RoomView): string | undefined {
  authorize(room, 'tool.call', caller)
  return room.contract?.provider_id
}

function refuseWhenEndedOrFull(room: RoomView): void {
  refuseWhenEnded(room)
  if (room.calls.length >= MOST_OPEN_CALLS)
    throw new ParleyError('OVERLOADED', { detail: `${MOST_OPEN_CALLS} calls are open in this room` })
}

function jsonBytes(input: unknown): number {
  return Buffer.byteLength(JSON.stringify(input ?? null))
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
