/** How a call ended other than by success. */
export type CallOutcome = 'failed' | 'canceled' | 'timed_out' | 'abandoned' | 'denied' | 'expired'

/** The outcome of a call that gave no output. */
export class CallError extends Error {
  readonly outcome: CallOutcome
  /** The tool's or the hub's code, such as TOOL_FAILED or TOOL_INPUT_INVALID. */
  readonly code: string
  readonly call_id: string
  /** The place of the event which ended it. */
  readonly seq: number

  constructor({
    outcome,
    code,
    message,
    call_id,
    seq,
  }: { outcome: CallOutcome; code: string; message: string; call_id: string; seq: number }) {
    super(message)
    this.name = 'CallError'
    this.outcome = outcome
    this.code = code
    this.call_id = call_id
    this.seq = seq
  }
}
