import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

// Shorter than a test may take, so that a wait in vain says what it waited for.
const PATIENCE_MS = 45_000
// -B: nothing is written beside the sources.
const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** A line of what the Python program saw. */
export interface Sight {
  saw: string
  payload: never
  [more: string]: unknown
}

/** agent.py as a process, and what it says. */
export interface PythonAgent {
  saw: Sight[]
  /** The first sight of the kind that fits, now or later. */
  sight(kind: string, fits?: (sight: Sight) => boolean): Promise<Sight>
  /** Asks it to do something and resolves to the answer. */
  ask<T>(what: string, more?: Record<string, unknown>): Promise<T>
  /** Closes its stdin; resolves to its exit code. */
  stop(): Promise<number | null>
}

type Answer = { id: number; answer: unknown } | { id: number; fault: string }

export function startPythonAgent(python: string, { url, auth }: { url: string; auth: { key: string } | { token: string } }): PythonAgent {
  const child = spawn(python, ['-B', program('agent.py')], {
    env: { PATH: process.env['PATH'], PARLEY_URL: url, ...('key' in auth ? { PARLEY_KEY: auth.key } : { PARLEY_TOKEN: auth.token }) },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const saw: Sight[] = []
  const answers = new Map<number, Answer>()
  const errors: string[] = []
  const watchers = new Set<() => void>()
  let asked = 0
  const wake = () => {
    for (const watch of [...watchers]) watch()
  }
  createInterface(child.stdout).on('line', (text) => {
    const line: Sight | Answer = JSON.parse(text)
    if ('saw' in line) saw.push(line)
    else answers.set(line.id, line)
    wake()
  })
  child.stderr.on('data', (text: Buffer) => errors.push(text.toString()))
  child.once('exit', wake)

  function find<T>(look: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = (end: () => void) => {
        watchers.delete(watch)
        clearTimeout(timer)
        end()
      }
      const inVain = () => reject(new Error(`waited in vain for ${what}; saw ${JSON.stringify(saw.slice(-12))}; ${errors.join('')}`))
      const watch = () => {
        const found = look()
        if (found !== undefined) done(() => resolve(found))
        else if (hasEnded(child)) done(inVain)
      }
      const timer = setTimeout(() => done(inVain), PATIENCE_MS)
      watchers.add(watch)
      watch()
    })
  }

  return {
    saw,
    sight: (kind, fits = () => true) => find(() => saw.find((sight) => sight.saw === kind && fits(sight)), `the sight ${kind}`),
    ask: async (what, more = {}) => {
      const id = ++asked
      child.stdin.write(`${JSON.stringify({ id, do: what, ...more })}\n`)
      const line = await find(() => answers.get(id), `the answer to ${what}`)
      if ('fault' in line) throw new Error(`${what}: ${line.fault}`)
      return line.answer as never
    },
    stop: async () => {
      if (hasEnded(child)) return child.exitCode
      const gone = once(child, 'exit')
      child.stdin.end()
      const [code] = await gone
      return code
    },
  }
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/** Runs vectors.py to its end and answers its lines. */
export async function runVectors(python: string, folder: string): Promise<{ of: string; name: unknown; got: unknown }[]> {
  const { stdout } = await promisify(execFile)(python, ['-B', program('vectors.py'), folder], { maxBuffer: 16 * 1024 * 1024 })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}
