import { ParleyError, type RoomView } from '../../../shared/protocol/index.ts'

export function refuseWhenEnded(room: RoomView): void {
  if (room.contract?.state === 'ended') throw new ParleyError('CONTRACT_ENDED', { ended_at: room.contract.ended_at })
}
