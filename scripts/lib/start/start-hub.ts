import { setTimeout as delay } from 'node:timers/promises'
import { operatorTokenFile, readSecret } from '../../../server/settings/data-directory.ts'
import { runningHubs } from '../../../server/settings/running-hubs.ts'
import { describeEnding, quoteLog, timed } from '../say.ts'
import type { Child } from './start-child.ts'
import { type Run, StartFault, startProgram } from './start-program.ts'
import type { StartSettings } from './start-settings.ts'

const READY_WITHIN_MS = 60_000
const ASK_MS = 10_000
const POLL_MS = 100

export interface SignInLink {
  url: string
  expires_at: string
}

/** Starts the hub and waits until it is ready. Throws its own reason when it ends before. */
export async function startHub(run: Run): Promise<{ hub: Child; url: string }> {
  const hub = await startProgram(run, { name: 'hub', script: 'server/main.ts' })
  const url = await timed('Starting the hub', async () => {
    for (const began = Date.now(); Date.now() - began < READY_WITHIN_MS; await delay(POLL_MS)) {
      run.stopped.throwIfAborted()
      if (hub.hasEnded()) throw new StartFault(`the hub did not start (${describeEnding(await hub.ended)}):\n${quoteLog(hub.logFile)}`)
      const url = await urlOf(hub, run.settings)
      if (url !== undefined && (await isReady(url))) return url
    }
    throw new StartFault(`the hub was not ready within ${READY_WITHIN_MS / 1000} s:\n${quoteLog(hub.logFile)}`)
  })
  return { hub, url }
}

/** Which port it took, it writes down. */
async function urlOf({ pid }: Child, { data_dir, port, url }: StartSettings): Promise<string | undefined> {
  return port === 0 ? (await runningHubs(data_dir)).find((hub) => hub.pid === pid)?.url : url
}

/** Waits for a hub that someone else started. */
export async function waitUntilReady(url: string, { stopped }: Run): Promise<void> {
  for (const began = Date.now(); !(await isReady(url)); await delay(POLL_MS)) {
    stopped.throwIfAborted()
    if (Date.now() - began > READY_WITHIN_MS)
      throw new StartFault(`the hub at ${url} runs, and was not ready within ${READY_WITHIN_MS / 1000} s.`)
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ASK_MS) })).status === 200
  } catch {
    return false // not listening yet; its end is seen elsewhere
  }
}

/** The token that the hub was given or made. */
export async function operatorToken({ operator_token, data_dir }: StartSettings): Promise<string> {
  const token = operator_token ?? (await readSecret(data_dir, operatorTokenFile))
  if (token !== undefined) return token
  throw new StartFault(`there is no operator's token in ${data_dir}. Set PARLEY_OPERATOR_TOKEN to the one that the hub was started with.`)
}

/** A link that signs in once, for whoever started the hub. */
export async function signInLink(url: string, token: string): Promise<SignInLink> {
  const response = await fetch(`${url}/sign-in-links`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
    signal: AbortSignal.timeout(ASK_MS),
  })
  const link: unknown = await response.json()
  if (response.status === 201 && isLink(link)) return link
  if (response.status === 401)
    throw new StartFault(
      `the hub at ${url} was started with another operator's token. Set PARLEY_OPERATOR_TOKEN to that one, or stop the hub and start again.`,
    )
  throw new StartFault(`the hub gave no sign-in link (${response.status}): ${JSON.stringify(link)}`)
}

function isLink(value: unknown): value is SignInLink {
  return typeof value === 'object' && value !== null && 'url' in value && 'expires_at' in value
}
