import { ParleyError } from '../../../shared/protocol/index.ts'
import { authorize } from '../../core/access/authorize.ts'
import { pathId } from '../../pipeline/http/path-id.ts'
import { principalOf, type Route } from '../../pipeline/http/route.ts'
import type { Log } from '../../pipeline/log/log.ts'
import { streamOf } from '../../pipeline/log/record.ts'
import type { EventStore } from '../../pipeline/store/event-store.ts'
import type { CallStreams } from './streams/call-streams.ts'

/** The streamed output of a call: of an ended one exactly what its last event sealed. */
export function toolRoutes({ log, store, streams }: { log: Log; store: EventStore; streams: CallStreams }): Route[] {
  return [
    {
      method: 'GET',
      path: '/contracts/:id/calls/:call_id/text',
      access: 'principal',
      scope: 'rooms:read',
      handle: async (request) => {
        const [stream, call_id] = [streamOf(pathId(request)), pathId(request, 'call_id')]
        const { room } = await log.refresh(stream)
        authorize(room, 'room.join', principalOf(request))
        if (room.calls.some((call) => call.call_id === call_id)) {
          await streams.reload(call_id)
          return { status: 200, text: streams.textOf(call_id)?.text ?? '', headers: { 'Cache-Control': 'no-store' } }
        }
        const ended = (await store.ofCall(call_id)).findLast((stored) => 'stream' in stored.event.data)
        const sealed = ended !== undefined && 'stream' in ended.event.data ? ended.event.data.stream : undefined
        if (sealed === undefined || (await store.streamOfCall(call_id)) !== stream) throw new ParleyError('NOT_FOUND')
        return { status: 200, text: await streams.read(call_id, sealed.parts), headers: { 'X-Content-SHA256': sealed.sha256 } }
      },
    },
  ]
}
