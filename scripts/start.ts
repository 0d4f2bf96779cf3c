// Runs the hub and the example agent until Ctrl-C. scripts/start calls this once all is installed; settings come from the environment.
import { parseArgs } from 'node:util'
import { portFault } from './lib/port-fault.ts'
import { describeEnding, quoteLog, shortPath } from './lib/say.ts'
import type { Child } from './lib/start-child.ts'
import { startExample } from './lib/start-example.ts'
import { operatorToken, type SignInLink, signInLink, startHub } from './lib/start-hub.ts'
import { aborted, type Run, StartFault } from './lib/start-program.ts'
import { type StartSettings, startSettings } from './lib/start-settings.ts'

const AGENT_GRACE_MS = 5_000
// Longer than the hub's own drain, so that force is the last thing tried.
const HUB_GRACE_MS = 20_000

process.exitCode = await main()

async function main(): Promise<number> {
  const children: Child[] = []
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => onSignal({ children, stopping }))
  let exitCode = 0
  try {
    const { values } = parseArgs({ options: { 'no-example': { type: 'boolean', default: false } } })
    const run = { settings: startSettings(process.env), children, stopped: stopping.signal }
    await runUntilStopped(run, { withExample: !values['no-example'] })
  } catch (error) {
    if (!stopping.signal.aborted) {
      exitCode = 1
      console.error(`\nscripts/start: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  stopping.abort() // from here on an end is what we want; Ctrl-C now ends by force
  await stopAll(children)
  return exitCode
}

function onSignal({ children, stopping }: { children: Child[]; stopping: AbortController }): void {
  if (!stopping.signal.aborted) {
    stopping.abort()
    return
  }
  console.log('Ended by force.')
  for (const child of children) child.kill()
  process.exit(1)
}

/** Ends only by throwing: a fault, or an abort when someone stops us. */
async function runUntilStopped(run: Run, { withExample }: { withExample: boolean }): Promise<never> {
  const fault = await portFault(run.settings)
  if (fault !== null) throw new StartFault(fault)
  const hub = await startHub(run)
  const token = operatorToken(run.settings)
  if (withExample) await startExample(run, token)
  const link = await signInLink(run.settings, token)
  tell({ settings: run.settings, hub, link, withExample })
  const ending = await Promise.race([hub.ended, aborted(run.stopped)])
  throw new StartFault(
    `the hub ended (${describeEnding(ending)}). What it acknowledged is kept; scripts/start brings it back.\n${quoteLog(hub.logFile)}`,
  )
}

interface Running {
  settings: StartSettings
  hub: Child
  link: SignInLink
  withExample: boolean
}

function tell({ settings, hub, link, withExample }: Running): void {
  const until = new Date(link.expires_at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  console.log(`
Parley runs at ${settings.public_url ?? settings.url}

  Open this in a browser to sign in (it works once, until ${until}):
  ${link.url}
${withExample ? '\n  In the room you find docs-desk at work: an agent that answers from real files. Type to it.\n' : ''}
  The hub is process ${hub.pid}; its log: ${shortPath(hub.logFile)}
  Everything is kept in ${shortPath(settings.data_dir)}.
  Stop with Ctrl-C. Start again, and nothing is gone, after kill -9 neither.
`)
}

/** Last started, first stopped: the agent says goodbye to a hub that still runs, then the hub drains. */
async function stopAll(children: Child[]): Promise<void> {
  for (const child of children.toReversed()) {
    if (!child.hasEnded()) console.log(`Stopping ${child.name} …`)
    await child.stop(child.name === 'hub' ? HUB_GRACE_MS : AGENT_GRACE_MS)
  }
}
