import { signal } from '@preact/signals'
import type { Visibility, WireEvent } from '../../../../shared/protocol/index.ts'
import type { Hub, Room } from '../../../sdk/index.ts'
import { toRefused } from '../api.ts'
import { fixText } from '../fix-text.ts'
import { forget, keep, kept } from '../kept.ts'

export interface Outgoing {
  key: string
  body: string
  visibility: Visibility
  at: string
}

export interface Unsent extends Outgoing {
  /** What the hub said, in words. */
  because: string
}

/**
 * Messages that are on their way, and those that the hub refused. What is on its way lies in the sdk's outbox and survives a reload
 * there; what was refused is kept here until its author decides.
 */
export function createOutgoing({ hub, room, me_id }: { hub: Hub; room: Room; me_id: string }) {
  const keptAs = `unsent.${me_id}.${room.contract_id}`
  const sending = signal<readonly Outgoing[]>([])
  const unsent = signal<readonly Unsent[]>(unsentIn(kept(keptAs)))
  const own = new Set<string>()

  const stops = [
    room.subscribe(refresh),
    // A message of an earlier page has no caller here that would hear of its refusal.
    hub.on('problem', ({ during, error, contract_id }) => {
      if (during !== 'outbox' || contract_id !== room.contract_id || isClosed()) return
      const left = new Set(room.pending.map(({ key }) => key))
      for (const message of sending.peek()) if (!left.has(message.key) && !own.has(message.key)) refuse(message, error)
    }),
  ]
  refresh()

  return {
    sending,
    unsent,
    post(body: string, visibility: Visibility) {
      void give({ key: crypto.randomUUID(), body, visibility, at: new Date().toISOString() })
    },
    retry(message: Unsent) {
      drop(message.key)
      // With its old key: should the first try have been recorded after all, it is not recorded twice.
      void give({ key: message.key, body: message.body, visibility: message.visibility, at: new Date().toISOString() })
    },
    discard(message: Unsent) {
      drop(message.key)
    },
    /** An event of this room was recorded: what waits under its key has arrived. */
    onEvent(event: WireEvent) {
      if (event.type !== 'redacted') drop(event.key)
    },
    stop() {
      for (const stop of stops) stop()
    },
  }

  async function give(message: Outgoing): Promise<void> {
    own.add(message.key)
    try {
      await room.post(message.body, { key: message.key, visibility: message.visibility })
    } catch (thrown) {
      if (!isClosed()) refuse(message, thrown)
    } finally {
      own.delete(message.key)
    }
  }

  /** Closed, for whichever reason, is not refused: it lies in the outbox and goes out with the next connection. */
  function isClosed(): boolean {
    return hub.state === 'closed'
  }

  function refresh(): void {
    const messages = room.pending.filter(({ frame }) => frame === 'message.post')
    if (messages.length === 0 && sending.peek().length === 0) return
    sending.value = messages.map(({ key, payload, at }) => ({
      ...{ key, at, body: String(payload['body']) },
      visibility: payload['visibility'] === 'staff' ? 'staff' : 'all',
    }))
  }

  function refuse(message: Outgoing, thrown: unknown): void {
    const error = toRefused(thrown)
    const { key, body, visibility, at } = message
    set([...unsent.peek().filter((one) => one.key !== key), { key, body, visibility, at, because: `${error.title}. ${fixText(error)}` }])
  }

  function drop(key: string): void {
    if (unsent.peek().some((one) => one.key === key)) set(unsent.peek().filter((one) => one.key !== key))
  }

  function set(messages: Unsent[]): void {
    unsent.value = messages
    if (messages.length > 0) keep(keptAs, messages)
    else forget(keptAs)
  }
}

export type OutgoingMessages = ReturnType<typeof createOutgoing>

function unsentIn(value: unknown): Unsent[] {
  if (!Array.isArray(value)) return []
  return value.filter((one): one is Unsent => {
    if (typeof one !== 'object' || one === null) return false
    const { key, body, visibility, at, because } = one as Record<string, unknown>
    return [key, body, at, because].every((text) => typeof text === 'string') && (visibility === 'all' || visibility === 'staff')
  })
}
