import type { FrameInput, Push } from '../../../shared/protocol/index.ts'
import { backoff } from '../link/backoff.ts'
import { type Clock, pause } from '../link/clock.ts'
import type { Ask } from '../link/link.ts'
import type { Outbox } from '../outbox.ts'
import { RefusedError, toError } from '../refused-error.ts'
import { sendable } from '../sendable.ts'
import type { OutboxEntry } from '../storage.ts'
import type { Room, ToolCall, ToolDefinition } from '../types.ts'
import { ChunkSender } from './chunk-sender.ts'
import { parseInput, type ToolFrame, toolFrame } from './tool-schema.ts'

type Result = FrameInput<'agent.tool.result'>
type CallPush = Push<'core.tool.call'>

/** Results that are kept whole, to be sent again; ids are kept longer, so that nothing runs twice. */
const KEPT_RESULTS = 100
const KEPT_IDS = 10_000
const MOST_NAMED = 200
const DEADLINE_GRACE_MS = 1_000
/** What the hub takes of an error's message. */
const MESSAGE_UNITS = 10_000

export interface ToolRunnerOptions {
  clock: Clock
  ask: Ask
  outbox: Outbox
  live: () => Promise<void>
  room: (contract_id: string) => Promise<Room>
  onProblem: (problem: { during: string; error: Error; contract_id?: string }) => void
}

/** Runs the tools of an agent: each call once, however often the hub sends it, and each to one result. */
export class ToolRunner {
  readonly #options: ToolRunnerOptions
  readonly #tools = new Map<string, { tool: ToolDefinition; frame: ToolFrame }>()
  readonly #running = new Map<string, AbortController>()
  readonly #answered = new Map<string, { contract_id: string; result: Result } | undefined>()
  /** Calls of tools that this process has not named yet: a resumed session may get them first. */
  #early: CallPush[] = []

  constructor(options: ToolRunnerOptions) {
    this.#options = options
  }

  get hasTools(): boolean {
    return this.#tools.size > 0
  }

  /** Throws when the input's schema has no JSON Schema (a date, a function). */
  name(tool: ToolDefinition): void {
    this.#tools.set(tool.name, { tool, frame: toolFrame(tool) })
  }

  /** Registers the whole set, which replaces the one before, as often as it takes. Rejects when it is refused or the connection is gone. */
  async register(): Promise<string[]> {
    const { ask, clock, onProblem } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      try {
        const tools = [...this.#tools.values()].map(({ frame }) => frame)
        const ack = await ask('agent.tools.register', sendable({ tools }))
        for (const call of this.#early.splice(0)) this.#start(call)
        return ack.tools
      } catch (thrown) {
        const error = toError(thrown)
        const retry_after_ms = mendingPause(error)
        if (retry_after_ms === undefined) {
          if (!isNoConnection(error)) onProblem({ during: 'register', error })
          throw error
        }
        await pause(clock, backoff({ attempt, random: clock.random(), retry_after_ms }))
      }
    }
  }

  /** Results that an earlier process had not got acknowledged. */
  restore(entries: readonly OutboxEntry[]): void {
    for (const { frame, contract_id, payload } of entries) {
      // It was made by `#answer` of an earlier process.
      if (frame === 'agent.tool.result') this.#remember(contract_id, payload as unknown as Result)
    }
  }

  /** Calls that wait for an answer of this process: as many as one beat may name, and with the next beat others. */
  underWay(): string[] {
    const named = [...this.#running].filter(([, { signal }]) => !signal.aborted).slice(0, MOST_NAMED)
    for (const [call_id, controller] of named) {
      this.#running.delete(call_id)
      this.#running.set(call_id, controller)
    }
    return named.map(([call_id]) => call_id)
  }

  onCall(call: CallPush, ack: () => void): void {
    ack()
    if (this.#running.has(call.call_id)) return
    if (this.#answered.has(call.call_id)) this.#answerAgain(call.call_id)
    else if (this.#tools.has(call.tool)) this.#start(call)
    else if (!this.#early.some((other) => other.call_id === call.call_id)) this.#early.push(call)
  }

  onCancel({ call_id, reason }: Push<'core.tool.cancel'>): void {
    const call = this.#early.find((other) => other.call_id === call_id)
    this.#early = this.#early.filter((other) => other !== call)
    if (call) void this.#answer(call, canceled(call_id, reason))
    this.#running.get(call_id)?.abort(new DOMException(reason ?? 'The call was canceled.', 'AbortError'))
  }

  stop(): void {
    for (const controller of this.#running.values()) controller.abort(new DOMException('The hub was closed.', 'AbortError'))
  }

  #start(call: CallPush): void {
    const tool = this.#tools.get(call.tool)?.tool
    if (tool === undefined) {
      void this.#answer(call, failed(call.call_id, 'TOOL_UNKNOWN', `This agent has no tool ${call.tool}.`))
      return
    }
    const controller = new AbortController()
    this.#running.set(call.call_id, controller)
    void this.#runToEnd(tool, call, controller)
  }

  async #runToEnd(tool: ToolDefinition, call: CallPush, controller: AbortController): Promise<void> {
    const { clock } = this.#options
    const left_ms = Date.parse(call.deadline) - clock.now()
    // A little later than the hub, so that its verdict (timed_out) comes first. Past already: this clock is wrong, or it took long to come. The hub is the judge; it refuses what is late.
    const cancelDeadline =
      left_ms > 0
        ? clock.after(left_ms + DEADLINE_GRACE_MS, () => controller.abort(new DOMException('The deadline has passed.', 'TimeoutError')))
        : () => undefined
    const result = await this.#outcome(tool, call, controller)
    cancelDeadline()
    this.#running.delete(call.call_id)
    await this.#answer(call, result)
  }

  async #outcome(tool: ToolDefinition, call: CallPush, controller: AbortController): Promise<Result> {
    const { call_id } = call
    const { signal } = controller
    try {
      const output = await this.#run(tool, call, controller)
      return signal.aborted ? aborted(call_id, signal) : { call_id, status: 'succeeded', output: output ?? null }
    } catch (thrown) {
      if (signal.aborted) return aborted(call_id, signal)
      const error = toError(thrown)
      if (error.name === 'AbortError') return canceled(call_id, error.message)
      if (thrown instanceof InputFault) return failed(call_id, 'TOOL_INPUT_INVALID', thrown.message)
      if (!(thrown instanceof RefusedError)) this.#report('tool', error, call.contract_id)
      return failed(call_id, thrown instanceof RefusedError ? thrown.code : 'TOOL_FAILED', error.message)
    }
  }

  async #run(tool: ToolDefinition, call: CallPush, { signal }: AbortController): Promise<unknown> {
    const parsed = await parseInput(tool, call.input)
    if (parsed.issues !== undefined) throw new InputFault(parsed.issues.map((issue) => issue.message).join('; '))
    // Canceled before it began: a tool that listens for `abort` only would never hear of it.
    signal.throwIfAborted()
    const { call_id, contract_id, deadline } = call
    const context: ToolCall = { call_id, contract_id, deadline, signal, room: () => this.#options.room(contract_id) }
    const running: unknown = tool.run(parsed.value, context)
    return isGenerator(running) ? await this.#stream(call_id, running, signal) : await running
  }

  async #stream(call_id: string, running: AsyncGenerator<string, unknown, void>, signal: AbortSignal): Promise<unknown> {
    const { ask, clock, live } = this.#options
    const sender = new ChunkSender({ call_id, ask, clock, live, signal })
    for (;;) {
      const step = await running.next()
      if (step.done) {
        await sender.flush()
        return step.value
      }
      try {
        signal.throwIfAborted()
        await sender.push(String(step.value))
      } catch (thrown) {
        // Lets the tool's own `finally` run before the call is given up.
        await running.return(undefined)
        throw thrown
      }
    }
  }

  async #answer({ call_id, contract_id }: Pick<CallPush, 'call_id' | 'contract_id'>, result: Result): Promise<void> {
    this.#remember(contract_id, result)
    try {
      await this.#options.outbox.give({ contract_id, frame: 'agent.tool.result', payload: result })
    } catch (thrown) {
      const error = toError(thrown)
      const code = thrown instanceof RefusedError ? thrown.code : ''
      // It has its outcome already (it timed out, the floor moved), or the outbox keeps it for the next process.
      if (code === 'CALL_NOT_OPEN' || code === 'FLOOR_LOST' || code === 'HUB_CLOSED') return
      this.#report('tool', error, contract_id)
      // Too large, or not JSON: the caller must not wait for the deadline because of it.
      if (result.status === 'succeeded') await this.#answer({ call_id, contract_id }, failed(call_id, code || 'TOOL_FAILED', error.message))
    }
  }

  #answerAgain(call_id: string): void {
    const answer = this.#answered.get(call_id)
    // Gone from memory long after it was acknowledged, or still in the outbox: it has reached the hub, or will.
    const isOnItsWay = answer && this.#options.outbox.pendingOf(answer.contract_id).some((frame) => frame.payload.call_id === call_id)
    if (answer === undefined || isOnItsWay) return
    void this.#answer({ call_id, contract_id: answer.contract_id }, answer.result)
  }

  #remember(contract_id: string, result: Result): void {
    this.#answered.delete(result.call_id)
    this.#answered.set(result.call_id, { contract_id, result })
    const ids = [...this.#answered.keys()]
    const faded = ids.at(-KEPT_RESULTS - 1)
    if (faded !== undefined) this.#answered.set(faded, undefined)
    if (ids.length > KEPT_IDS && ids[0] !== undefined) this.#answered.delete(ids[0])
  }

  #report(during: string, error: Error, contract_id: string): void {
    this.#options.onProblem({ during, error, contract_id })
  }
}

class InputFault extends Error {}

function isNoConnection(error: Error): boolean {
  return error instanceof RefusedError && error.code === 'NOT_CONNECTED'
}

/** The pause that the hub asks for, when waiting can help at all. */
function mendingPause(error: Error): number | undefined {
  return error instanceof RefusedError && error.retry === 'later' && !isNoConnection(error) ? error.retry_after_ms : undefined
}

function isGenerator(value: unknown): value is AsyncGenerator<string, unknown, void> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value && 'next' in value
}

function failed(call_id: string, code: string, message: string): Result {
  return { call_id, status: 'failed', error: { code, message: sentence(message) } }
}

/** As the hub takes it: not too long, and without half a character where it was cut. */
function sentence(text: string): string {
  return text.slice(0, MESSAGE_UNITS).toWellFormed()
}

function canceled(call_id: string, reason = 'The call was canceled.'): Result {
  return { call_id, status: 'canceled', error: { code: 'CANCELED', message: sentence(reason) } }
}

function aborted(call_id: string, signal: AbortSignal): Result {
  const reason = toError(signal.reason)
  return reason.name === 'TimeoutError' ? failed(call_id, 'DEADLINE_PASSED', reason.message) : canceled(call_id, reason.message)
}
