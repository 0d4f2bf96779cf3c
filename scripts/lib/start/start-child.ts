import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

export interface Ending {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface Child {
  name: string
  pid: number
  logFile: string
  /** Hears its standard output line by line, when the plan says that we read it. */
  onLine(listener: (line: string) => void): void
  /** Resolves when it has ended, and all that it left running in its group. */
  ended: Promise<Ending>
  hasEnded(): boolean
  /** Asks it to end, and ends it by force after the grace. */
  stop(grace_ms: number): Promise<void>
  kill(): void
}

export interface ChildPlan {
  name: string
  args: string[]
  cwd: string
  env: NodeJS.ProcessEnv
  logFile: string
  /** True when its standard output is for us to read; otherwise it goes to the log beside its standard error. */
  reads?: boolean
}

const LEFTOVER_GRACE_MS = 5_000
const POLL_MS = 50

/**
 * Starts a Node program in a process group of its own: Ctrl-C in a terminal then reaches only us, and we stop things in order.
 * Its output goes straight to a file, so that it outlives us without a broken pipe. Rejects when it cannot be spawned.
 */
export async function startChild({ name, args, cwd, env, logFile, reads = false }: ChildPlan): Promise<Child> {
  const log = openSync(logFile, 'a', 0o600)
  const child = spawn(process.execPath, args, { cwd, env, detached: true, stdio: ['ignore', reads ? 'pipe' : log, log] })
  closeSync(log)
  let over = false
  const ended = new Promise<Ending>((resolve) => {
    child.once('exit', (code, by) => {
      over = true
      void endGroup(child.pid ?? 0).then(() => resolve({ code, signal: by }))
    })
  })
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('spawn', () => resolve(child.pid ?? 0))
  })
  const lines = child.stdout === null ? null : createInterface({ input: child.stdout })
  return {
    name,
    pid,
    logFile,
    ended,
    onLine: (listener) => lines?.on('line', listener),
    hasEnded: () => over,
    stop: async (grace_ms) => {
      if (!over) signal(pid, 'SIGTERM')
      await Promise.race([ended, delay(grace_ms, undefined, { ref: false })])
      if (!over) signal(-pid, 'SIGKILL')
      await ended
    },
    kill: () => void (over || signal(-pid, 'SIGKILL')),
  }
}

/** Ends what a program left running in its group, at once after its own end: later the number may be another's. */
async function endGroup(pid: number): Promise<void> {
  signal(-pid, 'SIGTERM')
  for (let waited_ms = 0; waited_ms < LEFTOVER_GRACE_MS && signal(-pid, 0); waited_ms += POLL_MS) await delay(POLL_MS)
  signal(-pid, 'SIGKILL')
}

/** Signals a process, or a group when negative; false when there is none. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false // it has ended already, which is what every caller wants
  }
}
