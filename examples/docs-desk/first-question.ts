import { connect, RefusedError } from '../../client/sdk/index.ts'
import { logLine } from './log-line.ts'

/** One key for ever: whoever starts the desk again asks nothing twice. */
const KEY = 'docs-desk:first-question'

export interface FirstQuestion {
  hub_url: string
  operator_token: string
  contract_id: string
  question: string
  signal: AbortSignal
}

/** Asks as the operator, once in the life of the contract, and resolves when the answer stands in the room. */
export async function askFirstQuestion({ hub_url, operator_token, contract_id, question, signal }: FirstQuestion): Promise<void> {
  const hub = await connect({ url: hub_url, token: operator_token, connect_timeout_ms: Number.POSITIVE_INFINITY })
  const close = () => void hub.close()
  signal.addEventListener('abort', close)
  hub.on('problem', ({ during, error }) => logLine('info', 'While asking the first question', { during, detail: error.message }))
  try {
    const room = await hub.room(contract_id)
    const { seq } = await room.post(question, { key: KEY })
    for await (const event of room.events({ since: seq, signal })) {
      if (event.type === 'message.posted' && event.data.reply_to === seq) return
      if (event.type === 'contract.ended' || event.type === 'room.reset') return
    }
  } catch (thrown) {
    // Another first question was asked here before.
    if (!(thrown instanceof RefusedError) || thrown.code !== 'KEY_REUSED') throw thrown
  } finally {
    signal.removeEventListener('abort', close)
    await hub.close()
  }
}
