/** The sdk for Node and the browser. What only Node has stands in `node.ts`. */

export { connect } from './connect.ts'
export type { Clock } from './link/clock.ts'
export { RefusedError } from './refused-error.ts'
export { browserStorage, memoryStorage, type OutboxEntry, type OutboxStorage } from './storage.ts'
export { CallError, type CallOutcome } from './tools/call-error.ts'
export type {
  By,
  Call,
  CallOptions,
  ConnectOptions,
  Credential,
  EventsOptions,
  Hub,
  HubEvents,
  HubState,
  InputSchema,
  JsonSchema,
  PendingFrame,
  Place,
  PostOptions,
  Principal,
  Problem,
  Room,
  RoomEvent,
  RoomEvents,
  RoomOptions,
  RoomReset,
  RoomState,
  RoomsOptions,
  RoomView,
  ToolCall,
  ToolDefinition,
  Unsubscribe,
  WireEvent,
} from './types.ts'
