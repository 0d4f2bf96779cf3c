import type { Push, PushType } from '../../shared/protocol/index.ts'
import type { createCallStreams, createCallTurns, createDispatch } from '../features/tools/index.ts'
import type { Background } from '../pipeline/background/background.ts'
import type { Log } from '../pipeline/log/log.ts'
import { streamOf } from '../pipeline/log/record.ts'
import type { Peers } from '../pipeline/peers.ts'
import { audienceOf, type Broadcast } from '../pipeline/session.ts'
import type { EventText } from '../pipeline/store/event-store.ts'
import type { Follower } from '../pipeline/store/follow.ts'
import { toStored } from '../pipeline/store/stored-event.ts'

export interface ListenDeps {
  /** A principal's credentials are not what they were. */
  recheck(principal_id: string): void
  peers: Peers
  log: Log
  streams: ReturnType<typeof createCallStreams>
  turns: ReturnType<typeof createCallTurns>
  dispatch: ReturnType<typeof createDispatch>
  broadcastHere: Broadcast
  follower: Follower
  background: Background
  /** Another node has written to the audit trail. */
  heardTrail(): void
  /** Another node has taken up an agent's session. */
  heardTaken(taken: Told['taken']): Promise<void>
}

/** What the nodes tell each other, by kind. They are of one version and one trust, so the shapes are taken as they are. */
interface Told {
  push: { type: PushType; payload: Push<PushType> }
  events: { contract_id: string; events: EventText[] }
  chunk: { chunk: Push<'chunk'>; after_seq: number }
  credentials: { principal_id: string }
  taken: { agent_id: string; session_id: string }
  trail: object
  work: { agent_id: string; cancel?: { call_id: string; session_id?: string; reason?: string } }
}

/** Does with the word of another node what this one does with its own: events are folded without a hole before anyone here is told. */
export function listenToPeers(deps: ListenDeps): void {
  const { peers, log, streams, turns, dispatch, broadcastHere, follower, background, recheck, heardTrail, heardTaken } = deps
  const hear: { [K in keyof Told]: (told: Told[K], audience: string) => void } = {
    push: ({ type, payload }, audience) => broadcastHere(audience, type, payload),
    events: ({ contract_id, events }) => log.ingest(streamOf(contract_id), events.map(toStored)),
    // In turn: one that must wait for the log is not overtaken by the next.
    chunk: ({ chunk, after_seq }) => {
      const shown = turns.take(chunk.call_id, () => show(chunk, after_seq))
      background.run('a chunk was not shown', shown)
    },
    credentials: ({ principal_id }) => recheck(principal_id),
    taken: (taken) => background.run('a taken session was not let go', heardTaken(taken)),
    trail: () => heardTrail(),
    work: ({ agent_id, cancel }) => {
      if (cancel === undefined) background.run('open calls were not sent', dispatch.sendOpenCalls([agent_id]))
      else dispatch.tellCancelHere(agent_id, cancel, cancel.reason)
    },
  }

  peers.onPeer((audience, message) => {
    // The cast holds: every kind has the shape of its row, for only this file's table is ever sent.
    if (Object.hasOwn(hear, message.kind)) hear[message.kind as keyof Told](message as never, audience)
  })
  peers.onRejoin(() => background.run('the heads were not compared', follower.look()))

  /** Behind the event that started the call, and before the one that ended it. */
  async function show(chunk: Push<'chunk'>, after_seq: number): Promise<void> {
    const stream = streamOf(chunk.contract_id)
    if ((log.cached(stream)?.head ?? 0) < after_seq) await log.refresh(stream)
    const isOpen = log.cached(stream)?.room.calls.some(({ call_id }) => call_id === chunk.call_id) ?? false
    if (!isOpen) return
    streams.heard(chunk)
    broadcastHere(audienceOf.ephemeral(chunk.contract_id), 'chunk', chunk)
  }
}
