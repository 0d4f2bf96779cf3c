import { Worker } from 'node:worker_threads'
import type { SchemaAnswer, SchemaQuestion } from './schema-worker.ts'

/** The time that one question may take, in looks at it: while the hub itself is held up, no time passes for the thread. */
const LOOK_MS = 50
const MOST_LOOKS = 10
/** From its start until it is ready, a thread has a time of its own. */
const MOST_LOOKS_AT_START = 200
const MOST_MEGABYTES = 256

/** `killed`: it took too long, or died of the question. */
export type Outcome = SchemaAnswer | 'killed' | 'closed'

/** A worker thread that answers one question at a time and is ended when it takes too long; the next question starts it anew. */
export function createSchemaThread() {
  let worker: Worker | undefined
  let settle: ((outcome: Outcome | 'died') => void) | undefined
  let isReady = false
  let isUsed = false
  let isClosed = false
  let ending: Promise<unknown> = Promise.resolve()

  async function ask(question: SchemaQuestion): Promise<Outcome> {
    const wasUsed = isUsed
    const outcome = await attempt(question)
    if (outcome !== 'died') return outcome
    // Others may have filled its memory before: a new thread shows whose fault it was.
    const again = wasUsed ? await attempt(question) : outcome
    return again === 'died' ? 'killed' : again
  }

  function attempt(question: SchemaQuestion): Promise<Outcome | 'died'> {
    if (isClosed) return Promise.resolve('closed')
    return new Promise((resolve) => {
      let looks = 0
      const looking = setInterval(() => {
        looks += 1
        if (looks >= (isReady ? MOST_LOOKS : MOST_LOOKS_AT_START)) end('killed')
      }, LOOK_MS)
      settle = (outcome) => {
        clearInterval(looking)
        settle = undefined
        resolve(outcome)
      }
      const running =
        worker ??
        start(() => {
          looks = 0
        })
      running.postMessage(question)
    })
  }

  function start(onReady: () => void): Worker {
    const started = new Worker(new URL('./schema-worker.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: MOST_MEGABYTES },
    })
    worker = started
    started.unref()
    started.on('message', (said: SchemaAnswer | 'ready') => {
      if (worker !== started) return
      if (said === 'ready') {
        isReady = true
        onReady()
        return
      }
      isUsed = true
      settle?.(said)
    })
    // An `exit` follows; unheard, an error would end the hub.
    started.on('error', () => undefined)
    started.on('exit', () => {
      if (worker === started) end('died')
    })
    return started
  }

  function end(outcome: Outcome | 'died'): void {
    const last = worker
    worker = undefined
    isReady = false
    isUsed = false
    if (last !== undefined) ending = Promise.all([ending, last.terminate()])
    settle?.(outcome)
  }

  async function close(): Promise<void> {
    isClosed = true
    end('closed')
    await ending
  }

  return { ask, close }
}
