import { setTimeout as delay } from 'node:timers/promises'
import { io } from 'socket.io-client'
import type { Person } from '../people.ts'

export interface Caller {
  /** Asks once for a call that nobody ever answers; its deadline is 1.5 s. */
  sleep(key: string): void
  /** Asks for nothing more, and resolves when each call that it asked for is known to be. */
  finish(): Promise<{ written: string[]; slept: string[] }>
}

export interface CallerOptions {
  person: Person
  contract_id: string
  url(): string
  /** Resolves when a streamed call has ended. */
  ended(call_id: string): Promise<void>
}

const ANSWER_MS = 2_000
/** A call lives through many kills, and on a slow machine each takes ten seconds: its deadline must not come while its agent is away. */
const LONGEST_MS = 3_600_000

/** Asks a streaming agent for one call after the other, each under its key, until it is acknowledged. */
export function startCaller({ person, contract_id, url, ended }: CallerOptions): Caller {
  const written: string[] = []
  const slept: Promise<string>[] = []
  let isFinishing = false
  const running = (async () => {
    while (!isFinishing) {
      const call_id = await call({ key: `write-${written.length}`, tool: 'write', timeout_ms: LONGEST_MS })
      written.push(call_id)
      await ended(call_id)
    }
  })()

  async function call(frame: { key: string; tool: string; timeout_ms: number }): Promise<string> {
    for (;;) {
      const socket = io(`${url()}/rooms`, { auth: person.auth, transports: ['websocket'], forceNew: true, reconnection: false })
      try {
        const refused = new Promise<never>((_, reject) => socket.once('connect_error', reject))
        const asked = socket.timeout(ANSWER_MS).emitWithAck('tool.call', { contract_id, input: {}, ...frame })
        const answer = await Promise.race([refused, asked])
        if (answer.ok) return answer.call_id
      } catch {
        // The hub is away.
      } finally {
        socket.disconnect()
      }
      await delay(50)
    }
  }

  return {
    sleep: (key) => void slept.push(call({ key, tool: 'sleep', timeout_ms: 1_500 })),
    finish: async () => {
      isFinishing = true
      await running
      return { written, slept: await Promise.all(slept) }
    },
  }
}
