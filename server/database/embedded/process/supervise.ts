import { setTimeout as delay } from 'node:timers/promises'
import { type Embedded, type EmbeddedOptions, launchEmbedded } from './launch.ts'

export type Supervised = { uri: string; pid(): number; stop(): Promise<void> }
export type SuperviseOptions = Omit<EmbeddedOptions, 'onExit'> & {
  onRestart?: (restart: { pid: number; attempts: number }) => void
  /** It could not be started again; it is tried on all the same. */
  onFailure?: (failure: { error: unknown; attempts: number }) => void
}

const FIRST_DELAY_MS = 50
const MAX_DELAY_MS = 5000

/** Keeps an embedded database running: whenever its process dies it is started again, at the same address, so drivers reconnect. */
export async function superviseEmbedded(options: SuperviseOptions): Promise<Supervised> {
  let isStopping = false
  let current = await launch()
  let recovery: Promise<void> = Promise.resolve()

  function launch(): Promise<Embedded> {
    return launchEmbedded({
      ...options,
      onExit: () => {
        if (!isStopping) recovery = recover()
      },
    })
  }

  async function recover() {
    for (let attempts = 1; !isStopping; attempts++) {
      try {
        current = await launch()
        options.onRestart?.({ pid: current.pid, attempts })
        return
      } catch (error) {
        options.onFailure?.({ error, attempts })
        await delay(Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempts), undefined, { ref: false })
      }
    }
  }

  return {
    uri: current.uri,
    pid: () => current.pid,
    async stop() {
      isStopping = true
      await recovery
      await current.stop()
    },
  }
}
