import { setTimeout as delay } from 'node:timers/promises'
import type { Socket } from 'socket.io-client'
import type { Person } from '../people.ts'
import { openWire } from './wire.ts'

export interface StreamingAgent {
  /** Its tools are registered: from here on it can be called. */
  ready: Promise<void>
  /** Resolves when the agent's result of the call was taken, or the call was ended without it. */
  ended(call_id: string): Promise<void>
  /** What it sent of each call, joined. */
  textOf(call_id: string): string
  close(): void
}

interface Work {
  next: number
  ended: PromiseWithResolvers<void>
}

const PART_EVERY_MS = 10
const ACK_MS = 5_000
const input_schema = { type: 'object' }

/**
 * An agent with two tools: `write` streams so many parts and succeeds, `sleep` never answers. It comes back after every cut, takes its
 * session up again, and goes on with each call from the first part that the hub has not acknowledged.
 */
export function startStreamingAgent({ person, url, parts }: { person: Person; url(): string; parts: number }): StreamingAgent {
  const ready = Promise.withResolvers<void>()
  const works = new Map<string, Work>()
  let session_id: string | undefined
  let socket: Socket | undefined
  let isClosed = false
  void run()

  async function run(): Promise<void> {
    while (!isClosed) {
      await live().catch(() => undefined)
      socket?.disconnect()
      await delay(50)
    }
  }

  async function live(): Promise<void> {
    const { socket: mine, lost } = openWire(url(), person)
    socket = mine
    // It comes at least once: one that this connection has already is dropped.
    const has = new Set<string>()
    mine.on('core.tool.call', ({ call_id, tool }: { call_id: string; tool: string }, ack: () => void) => {
      ack()
      if (tool !== 'write' || has.has(call_id)) return
      has.add(call_id)
      void work(mine, call_id)
    })
    await Promise.race([lost, introduce(mine)])
    await lost
  }

  async function introduce(mine: Socket): Promise<void> {
    const hello = { protocol: 1, agent: { name: 'writer', version: '1' }, ...(session_id === undefined ? {} : { resume: session_id }) }
    const welcome = await mine.timeout(ACK_MS).emitWithAck('agent.hello', hello)
    if (!welcome.ok) throw new Error(welcome.error.code)
    session_id = welcome.session_id
    const tools = ['write', 'sleep'].map((name) => ({ name, description: name, input_schema }))
    const registered = await mine.timeout(ACK_MS).emitWithAck('agent.tools.register', { tools })
    if (!registered.ok) throw new Error(registered.error.code)
    ready.resolve()
  }

  function workOf(call_id: string): Work {
    const known = works.get(call_id) ?? { next: 1, ended: Promise.withResolvers<void>() }
    works.set(call_id, known)
    return known
  }

  /** On one connection, until it ends; the next one is sent the call again. */
  async function work(mine: Socket, call_id: string): Promise<void> {
    const one = workOf(call_id)
    // An answer that does not come in time says nothing: as long as the wire is there, the same goes again.
    const ask = async (type: string, frame: object) => {
      for (;;) {
        try {
          return await mine.timeout(ACK_MS).emitWithAck(type, frame)
        } catch (error) {
          if (!mine.connected) throw error
        }
      }
    }
    try {
      while (one.next <= parts) {
        const answer = await ask('agent.tool.stream', { call_id, seq: one.next, chunk: partOf(call_id, one.next) })
        if (answer.ok) one.next++
        else if (answer.error.code === 'CHUNK_OUT_OF_ORDER') one.next = answer.error.facts.next_seq
        else if (answer.error.code === 'CALL_NOT_OPEN') break
        await delay(PART_EVERY_MS)
      }
      for (;;) {
        const answer = await ask('agent.tool.result', { call_id, status: 'succeeded', output: { parts } })
        if (answer.ok || answer.error.code === 'CALL_NOT_OPEN') return one.ended.resolve()
        await delay(50)
      }
    } catch {
      // The wire was cut.
    }
  }

  return {
    ready: ready.promise,
    ended: (call_id) => workOf(call_id).ended.promise,
    textOf: (call_id) => Array.from({ length: parts }, (_, at) => partOf(call_id, at + 1)).join(''),
    close: () => {
      isClosed = true
      socket?.disconnect()
    },
  }
}

function partOf(call_id: string, seq: number): string {
  return `part ${seq} of ${call_id}, été\n`
}
