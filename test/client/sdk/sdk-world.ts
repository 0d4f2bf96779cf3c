import type { HubSession } from '../../../client/sdk/hub.ts'
import {
  type ConnectOptions,
  connect,
  type Hub,
  memoryStorage,
  type Problem,
  type Room,
  type WireEvent,
} from '../../../client/sdk/index.ts'
import { FaultyHub } from './faulty-hub.ts'
import { type HandClock, handClock } from './hand-clock.ts'

/** For a test that loses acknowledgements: on a busy machine one may be given up that only is late, and the frame goes once more. */
export const ACK_TIMEOUT_MS = 250
/** For all others, where nothing is lost and so nothing may be given up. */
const PATIENCE_MS = 60_000

export interface World {
  hub: FaultyHub
  clock: HandClock
  /** Connects one more sdk, an agent unless `key` is undefined and a token is given. */
  join(options?: Partial<ConnectOptions>): Promise<{ sdk: Hub & Pick<HubSession, 'link'>; problems: Problem[] }>
  end(): Promise<void>
}

export async function world({ clock = handClock() }: { clock?: HandClock } = {}): Promise<World> {
  const hub = await new FaultyHub().start()
  const opened: Hub[] = []
  return {
    hub,
    clock,
    async join(options = {}) {
      const who = options.token === undefined ? { key: 'pk_agent_test' } : {}
      // What `connect` gives is the session itself; tests also look at its connection.
      const sdk = (await connect({
        ...{ url: hub.url, clock, ack_timeout_ms: PATIENCE_MS, storage: memoryStorage() },
        ...{ ...who, ...options },
      })) as HubSession
      const problems: Problem[] = []
      sdk.on('problem', (problem) => problems.push(problem))
      opened.push(sdk)
      return { sdk, problems }
    },
    async end() {
      for (const sdk of opened) await sdk.close()
      await hub.close()
    },
  }
}

/** A world for each test of a describe, which ends with it. */
export function useWorld(): World {
  let current: World
  beforeEach(async () => {
    current = await world()
  })
  afterEach(() => current.end())
  return {
    get hub() {
      return current.hub
    },
    get clock() {
      return current.clock
    },
    join: (options) => current.join(options),
    end: () => current.end(),
  }
}

/** Resolves at the first value of `read` that is not undefined, asked again after each change of the room. */
export function untilRoom<T>(room: Room, read: () => T | undefined): Promise<T> {
  return new Promise((resolve) => {
    const look = () => {
      const value = read()
      if (value === undefined) return
      stop()
      resolve(value)
    }
    const stop = room.subscribe(look)
    queueMicrotask(look)
  })
}

export function untilLive(sdk: Hub): Promise<void> {
  return new Promise((resolve) => {
    if (sdk.state === 'live') return resolve()
    const stop = sdk.on('state', (state) => {
      if (state !== 'live') return
      stop()
      resolve()
    })
  })
}

/** The next `count` things that an iterable gives. */
export async function take<T>(from: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  if (count === 0) return taken
  for await (const one of from) {
    taken.push(one)
    if (taken.length === count) break
  }
  return taken
}

export function bodies(events: readonly (WireEvent | { type: string })[]): string[] {
  return events.flatMap((event) => (event.type === 'message.posted' && 'data' in event ? [(event.data as { body: string }).body] : []))
}
