import type { ErrorCode } from '../../../shared/protocol/index.ts'

/** What happens to the next frame of a type, instead of the plain answer. */
export type Fault =
  | { lose: 'frame' | 'ack' }
  | { refuse: ErrorCode; facts?: Record<string, unknown> }
  /** The connection breaks: before the frame is handled, or after, with its acknowledgement lost. */
  | { cut: 'before' | 'after' }
