/** Which channels this node listens to, kept as they are wanted whatever happens to single commands. */
export interface Subscriptions {
  want(channel: string, listener: Listener): void
  unwant(channel: string): void
  /** Resolves when what is wanted now is in force. */
  settled(): Promise<void>
}

export type Listener = (message: Buffer, channel: Buffer) => void

/** The two commands of a Redis client. */
export interface Subscriber {
  sSubscribe(channel: string, listener: Listener, asBuffer: true): Promise<void>
  sUnsubscribe(channel: string): Promise<void>
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

/**
 * One command of a channel under way at a time, and the next one chosen by what is wanted then. The client forgets a subscription whose
 * connection broke before the answer, and one that is asked for while its end is under way; here neither is lost.
 */
export function createSubscriptions(client: Subscriber, onTrouble: (what: string, cause: unknown) => void) {
  const wanted = new Map<string, Listener>()
  const held = new Set<string>()
  const under_way = new Map<string, Promise<void>>()
  let closed = false

  function bring(channel: string): void {
    if (under_way.has(channel)) return
    under_way.set(
      channel,
      reconcile(channel).finally(() => under_way.delete(channel)),
    )
  }

  async function reconcile(channel: string): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; !closed && wanted.has(channel) !== held.has(channel); ) {
      try {
        await step(channel)
      } catch (cause) {
        if (closed) return
        onTrouble('a subscription failed', cause)
        await new Promise((resolve) => setTimeout(resolve, pause).unref())
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
      }
    }
  }

  async function step(channel: string): Promise<void> {
    const listener = wanted.get(channel)
    if (listener !== undefined) {
      await client.sSubscribe(channel, listener, true)
      held.add(channel)
    } else {
      await client.sUnsubscribe(channel)
      held.delete(channel)
    }
  }

  return {
    want: (channel: string, listener: Listener) => {
      wanted.set(channel, listener)
      bring(channel)
    },
    unwant: (channel: string) => {
      wanted.delete(channel)
      bring(channel)
    },
    settled: async () => void (await Promise.all(under_way.values())),
    close: () => {
      closed = true
    },
  }
}
