// Runs the hub and the example agent until Ctrl-C. scripts/start calls this once all is installed; settings come from the environment.
import { parseArgs } from 'node:util'
import type { RunningHub } from '../server/settings/running-hubs.ts'
import { describeEnding, quoteLog, shortPath, warningsOf } from './lib/say.ts'
import { portHolder } from './lib/start/port-holder.ts'
import type { Child, Ending } from './lib/start/start-child.ts'
import { startExample } from './lib/start/start-example.ts'
import { operatorToken, type SignInLink, signInLink, startHub, waitUntilReady } from './lib/start/start-hub.ts'
import { aborted, type Run, StartFault } from './lib/start/start-program.ts'
import { type StartSettings, startSettings } from './lib/start/start-settings.ts'

const AGENT_GRACE_MS = 5_000
// Longer than the hub's own drain, so that force is the last thing tried.
const HUB_GRACE_MS = 20_000
/** A signal comes from outside: what the log has of errors is not why it ended. */
const BEFORE_A_SIGNAL =
  'It did not end by itself. Errors that its log has from before; requests that failed (http.failed) were told so, and may be sent again:'

process.exitCode = await main()

async function main(): Promise<number> {
  const children: Child[] = []
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => onSignal({ children, stopping }))
  let exitCode = 0
  try {
    const { values } = parseArgs({ options: { 'no-example': { type: 'boolean', default: false } } })
    const run = { settings: startSettings(process.env), children, stopped: stopping.signal }
    const running = await portHolder(run.settings)
    if (running === undefined) await runUntilStopped(run, { withExample: !values['no-example'] })
    else await tellOfRunning(run, running)
  } catch (error) {
    if (!stopping.signal.aborted) {
      exitCode = 1
      console.error(`\nscripts/start: ${sentence(error)}`)
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

/** A refusal to start also says what to do. */
function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'fix' in error ? `${error.message} ${String(error.fix)}` : error.message
}

/** The hub of this data directory runs already, so all that is missing is a way in. */
async function tellOfRunning(run: Run, { pid, url }: RunningHub): Promise<void> {
  await waitUntilReady(url, run)
  const link = await signInLink(url, await operatorToken(run.settings))
  console.log(`
Parley runs already at ${run.settings.public_url ?? url} (process ${pid}), so nothing was started.

${invitation(link)}

  To stop it: Ctrl-C where it was started, or kill ${pid}.
`)
}

/** Ends only by throwing: a fault, or an abort when someone stops us. */
async function runUntilStopped(run: Run, { withExample }: { withExample: boolean }): Promise<never> {
  const { hub, url } = await startHub(run)
  const token = await operatorToken(run.settings)
  const example = withExample ? await startExample(run, { url, token }) : undefined
  const link = await signInLink(url, token)
  tell({ ...run, hub, url, link, hasExample: example?.isAtWork() ?? false })
  const ending = await Promise.race([hub.ended, aborted(run.stopped)])
  throw new StartFault(`the hub ended (${describeEnding(ending)})${howOf(ending)} What it acknowledged is kept; scripts/start brings it back.
${quoteLog(hub.logFile, { heading: ending.signal === null ? '' : BEFORE_A_SIGNAL })}`)
}

function howOf({ signal }: Ending): string {
  return signal === 'SIGKILL' ? ', by force: a kill -9, or the system for want of memory.' : '.'
}

interface Running {
  settings: StartSettings
  hub: Child
  url: string
  link: SignInLink
  hasExample: boolean
}

function invitation({ url, expires_at }: SignInLink): string {
  const until = new Date(expires_at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  return `  Open this in a browser to sign in (it works once, until ${until}):\n  ${url}`
}

function tell({ settings, hub, url, link, hasExample }: Running): void {
  console.log(`
Parley runs at ${settings.public_url ?? url}

${invitation(link)}
${hasExample ? '\n  In the room you find docs-desk at work: an agent that answers from real files. Type to it.\n' : ''}
  The hub is process ${hub.pid}; its log: ${shortPath(hub.logFile)}
  Everything is kept in ${shortPath(settings.data_dir)}.
  Stop with Ctrl-C. Start again, and nothing is gone, after kill -9 neither.
  Lost the link? In another terminal, this prints a new one: ${sameStart(url)}
${warningsOf(hub.logFile)}`)
}

/** The command that finds this very hub again. */
function sameStart(url: string): string {
  const { PARLEY_DATA_DIR: folder } = process.env
  const port = new URL(url).port
  return [...(port === '6767' ? [] : [`PARLEY_PORT=${port}`]), ...(folder ? [`PARLEY_DATA_DIR=${folder}`] : []), 'scripts/start'].join(' ')
}

/** Last started, first stopped: the agent says goodbye to a hub that still runs, then the hub drains. */
async function stopAll(children: Child[]): Promise<void> {
  for (const child of children.toReversed()) {
    if (!child.hasEnded()) console.log(`Stopping ${child.name} …`)
    await child.stop(child.name === 'hub' ? HUB_GRACE_MS : AGENT_GRACE_MS)
  }
}
