import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { EmbeddedRefusal, type EmbeddedRefusalCode } from '../errors.ts'
import { uriOf } from '../wire/server.ts'
import { type Lease, takeLease } from './lease.ts'
import { assertSocketPath, LOG_FILE, OWNER_FILE, socketPathIn } from './socket-path.ts'

export type EmbeddedOptions = {
  directory: string
  mode?: 'durable' | 'memory'
  /** How long the process waits without any client before it ends by itself. */
  idleMs?: number
  /** How long to wait for a process that owns the directory and does not answer yet. */
  timeoutMs?: number
  /** The process ended though nobody asked it to. */
  onExit?: (end: { pid: number }) => void
}

export type Embedded = { uri: string; pid: number; adopted: boolean; stop(): Promise<void> }

const TIMEOUT_MS = 15_000
const RETRY_MS = 20

/**
 * Starts the embedded database of a directory as a process of its own, or joins the one that already owns it: one whose hub died, or
 * one that another hub of this machine uses. Throws EmbeddedRefusal, with a code and a fix, if neither can be.
 */
export async function launchEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const directory = resolve(options.directory)
  const socketPath = socketPathIn(directory)
  assertSocketPath(socketPath)
  const until = performance.now() + (options.timeoutMs ?? TIMEOUT_MS)
  const watch = createWatch(options.onExit)
  for (;;) {
    const adopted = await tryLease(socketPath, watch, until)
    if (adopted) return embedded(socketPath, adopted, { adopted: true, watch })
    const child = await startChild(directory, options)
    if (child.state === 'ready') {
      const lease = await tryLease(socketPath, watch, until)
      if (lease) return embedded(socketPath, lease, { adopted: lease.pid !== child.pid, watch })
    }
    if (performance.now() > until) throw silentOwner(directory)
    // Another process owns the directory and is just starting, or just ending: there is no event to wait for.
    await delay(RETRY_MS)
  }
}

type Watch = { isExpected: boolean; ended(): void; pid: number; gone: Promise<void> }

function createWatch(onExit: EmbeddedOptions['onExit']): Watch {
  const { promise, resolve: settle } = Promise.withResolvers<void>()
  const watch: Watch = {
    isExpected: false,
    pid: 0,
    gone: promise,
    ended() {
      settle()
      if (!watch.isExpected) onExit?.({ pid: watch.pid })
    },
  }
  return watch
}

async function tryLease(socketPath: string, watch: Watch, until: number): Promise<Lease | undefined> {
  try {
    const timeoutMs = Math.max(100, until - performance.now())
    const lease = await takeLease(socketPath, { timeoutMs, onEnd: watch.ended })
    watch.pid = lease.pid
    return lease
  } catch {
    // No socket, or nobody behind it. Whether somebody owns the directory, the child finds out by the lock.
    return undefined
  }
}

function embedded(socketPath: string, lease: Lease, { adopted, watch }: { adopted: boolean; watch: Watch }): Embedded {
  return {
    uri: uriOf(socketPath),
    pid: lease.pid,
    adopted,
    async stop() {
      watch.isExpected = true
      if (!lease.isOpen()) return
      const { stopping } = await lease.release().catch(() => ({ stopping: true }))
      if (!stopping) return lease.close()
      await watch.gone
      await goneFromTheTable(lease.pid)
    },
  }
}

/** The socket closes a moment before the process is gone; who asked for a stop may want to remove the directory. */
async function goneFromTheTable(pid: number) {
  const until = performance.now() + 5000
  while (isAlive(pid) && performance.now() < until) await delay(RETRY_MS / 4)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

type Started = { state: 'ready'; pid: number } | { state: 'owned' }

async function startChild(directory: string, { mode, idleMs }: EmbeddedOptions): Promise<Started> {
  const child = spawnChild(directory, { mode: mode ?? 'durable', idleMs })
  const { line, signal, code } = await firstLine(child)
  if (line?.['ready'] === true && child.pid) return { state: 'ready', pid: child.pid }
  if (line?.['owned'] === true) return { state: 'owned' }
  const error = line?.['error'] as { code: EmbeddedRefusalCode; message: string; fix: string } | undefined
  if (error) throw new EmbeddedRefusal(error.code, error.message, error.fix)
  const how = signal ? `was ended by ${signal}` : `ended with code ${code}`
  if (signal === 'SIGBUS' || signal === 'SIGSEGV' || signal === 'SIGABRT') {
    const message = `The embedded database ${how} while it opened ${directory}: its file is damaged.`
    throw new EmbeddedRefusal(
      'DATA_CORRUPT',
      message,
      'Move the directory aside and restore it from a backup (docs/OPERATIONS.md); nothing in it was changed.',
    )
  }
  throw new EmbeddedRefusal('START_FAILED', `The embedded database ${how} before it was ready.`, `See ${join(directory, LOG_FILE)}.`)
}

function spawnChild(directory: string, { mode, idleMs }: { mode: string; idleMs: number | undefined }): ChildProcess {
  const log = openLog(directory)
  const entry = fileURLToPath(new URL('../main.ts', import.meta.url))
  const idle = idleMs === undefined ? [] : ['--idle-ms', String(idleMs)]
  const flags = mode === 'memory' ? ['--memory'] : []
  // In a session of its own: Ctrl-C in the hub's terminal must not end the store before the hub has drained into it.
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', entry, '--directory', directory, ...idle, ...flags], {
    detached: true,
    stdio: ['ignore', 'pipe', log ?? 'ignore'],
  })
  if (log !== undefined) closeSync(log)
  child.unref()
  return child
}

function openLog(directory: string): number | undefined {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    return openSync(join(directory, LOG_FILE), 'a', 0o600)
  } catch {
    // A directory that cannot be written is the child's to refuse, in its own words.
    return undefined
  }
}

type FirstLine = { line?: Record<string, unknown>; signal?: NodeJS.Signals | null; code?: number | null }

function firstLine(child: ChildProcess): Promise<FirstLine> {
  return new Promise((resolve) => {
    let text = ''
    const finish = (result: FirstLine) => {
      child.stdout?.destroy()
      resolve(result)
    }
    child.stdout?.on('data', (chunk) => {
      text += String(chunk)
      if (text.includes('\n')) finish({ line: JSON.parse(text.slice(0, text.indexOf('\n'))) as Record<string, unknown> })
    })
    child.once('error', () => finish({ code: null }))
    child.once('close', (code, signal) => finish({ code, signal }))
  })
}

function silentOwner(directory: string): EmbeddedRefusal {
  const message = `Another process${ownerOf(directory)} owns ${directory} and does not answer.`
  return new EmbeddedRefusal('DIRECTORY_OWNER_SILENT', message, 'Wait for it or end it, then start again; the data is untouched.')
}

function ownerOf(directory: string): string {
  try {
    const { pid } = JSON.parse(readFileSync(join(directory, OWNER_FILE), 'utf8')) as { pid: number }
    return ` (${pid})`
  } catch {
    // It has not come far enough to leave its number.
    return ''
  }
}
