import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describeEnding, quoteLog, timed } from './say.ts'
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
export async function startHub(run: Run): Promise<Child> {
  const hub = await startProgram(run, { name: 'hub', script: 'server/main.ts' })
  await timed('Starting the hub', async () => {
    for (const began = Date.now(); Date.now() - began < READY_WITHIN_MS; await delay(POLL_MS)) {
      run.stopped.throwIfAborted()
      if (hub.hasEnded()) throw new StartFault(`the hub did not start (${describeEnding(await hub.ended)}):\n${quoteLog(hub.logFile)}`)
      if (await isReady(run.settings.url)) return
    }
    throw new StartFault(`the hub was not ready within ${READY_WITHIN_MS / 1000} s:\n${quoteLog(hub.logFile)}`)
  })
  return hub
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ASK_MS) })).status === 200
  } catch {
    return false // not listening yet; its end is seen elsewhere
  }
}

/** The token that the hub was given or made. */
export function operatorToken({ operator_token, data_dir }: StartSettings): string {
  if (operator_token !== undefined) return operator_token
  const file = join(data_dir, 'operator.token')
  if (!existsSync(file)) throw new StartFault(`the hub left no operator's token in ${file}. Set PARLEY_OPERATOR_TOKEN and start again.`)
  return readFileSync(file, 'utf8').trim()
}

/** A link that signs in once, for whoever started the hub. */
export async function signInLink({ url }: StartSettings, token: string): Promise<SignInLink> {
  const response = await fetch(`${url}/sign-in-links`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
    signal: AbortSignal.timeout(ASK_MS),
  })
  const link: unknown = await response.json()
  if (response.status === 201 && isLink(link)) return link
  throw new StartFault(`the hub gave no sign-in link (${response.status}): ${JSON.stringify(link)}`)
}

function isLink(value: unknown): value is SignInLink {
  return typeof value === 'object' && value !== null && 'url' in value && 'expires_at' in value
}
