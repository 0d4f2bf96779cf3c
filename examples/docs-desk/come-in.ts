import { connect, type Hub, RefusedError } from '../../client/sdk/index.ts'
import type { StateFile } from './desk-state.ts'
import type { HubApi } from './hub-api.ts'
import { logLine } from './log-line.ts'

const NAME = 'docs-desk'
const VERSION = '1.0.0'

/** Connects as the agent of before, or as a new one when there was none or this hub does not know it. */
export async function comeIn({ hub_url, api, file }: { hub_url: string; api: HubApi; file: StateFile }): Promise<Hub> {
  const known = file.state.agent !== undefined
  if (!known) await register()
  try {
    return await connectAgent()
  } catch (thrown) {
    if (!known || !(thrown instanceof RefusedError) || thrown.code !== 'UNAUTHENTICATED') throw thrown
    logLine('warn', 'The hub does not know this agent (another database?); registering a new one')
    await file.forget()
    await register()
    return await connectAgent()
  }

  async function register(): Promise<void> {
    const { agent_id, api_key } = await api.registerAgent(NAME)
    await file.change({ agent: { agent_id, api_key } })
    logLine('info', 'Registered a new agent', { agent_id })
  }

  function connectAgent(): Promise<Hub> {
    const { agent, session_id } = file.state
    return connect({
      ...{ url: hub_url, key: agent?.api_key ?? '', agent: { name: NAME, version: VERSION } },
      connect_timeout_ms: Number.POSITIVE_INFINITY,
      ...(session_id === undefined ? {} : { resume: session_id }),
    })
  }
}

/** The contract of before when it is still open, or a new one with the operator. */
export async function takeUpContract({ api, file, agent_id }: { api: HubApi; file: StateFile; agent_id: string }): Promise<string> {
  const { contract_id } = file.state
  if (contract_id !== undefined) {
    if (await api.isOpen({ contract_id, agent_id })) return contract_id
    logLine('warn', 'The contract of before is gone or has ended; opening a new one', { contract_id })
  }
  const requester_id = await api.operatorId()
  const opened = await api.openContract({ title: 'Ask the documents', requester_id, provider_id: agent_id })
  await file.change({ contract_id: opened })
  logLine('info', 'Opened a contract', { contract_id: opened })
  return opened
}
