import { type CallView, ParleyError, type RoomView } from '../../../../shared/protocol/index.ts'
import { type CallMove, callMachine } from '../../../../shared/rules/call-machine.ts'
import { next } from '../../../../shared/rules/machine.ts'

/** The call, when it is still open. Refuses CALL_NOT_OPEN: it has its one outcome already, or was never asked for here. */
export function openCall(room: RoomView, call_id: string): CallView {
  const call = room.calls.find((one) => one.call_id === call_id)
  if (call === undefined) throw new ParleyError('CALL_NOT_OPEN', { call_id })
  return call
}

/** The call, when the move is legal in its state. */
export function movableCall(room: RoomView, call_id: string, move: CallMove): CallView {
  const call = openCall(room, call_id)
  if (next(callMachine, call.state, move) === undefined) throw new ParleyError('CALL_NOT_OPEN', { call_id, state: call.state })
  return call
}
