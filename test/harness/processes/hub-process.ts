import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { wideRates } from '../wide-rates.ts'
import { lifeline } from './lifeline.ts'

export interface HubProcess {
  url: string
  operator_token: string
  pid: number
  data_dir: string
  /** kill -9: no goodbye, no flush. Resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM, and the exit code after the drain. */
  stop(): Promise<number | null>
  /** The lines of its standard output, and what it wrote to standard error. */
  log: string[]
  errors: string[]
}

export class RefusedToStart extends Error {}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

// Below the ports that the system gives to outgoing connections: one of those may take the port of a hub that is just restarted, and a
// client that knocks at a closed port of its own range can even be connected to itself.
const PORTS = { first: 18_000, count: 14_000 }

const given = new Set<number>()

/** A port that nobody listens on, and that stays free while the hub on it is away: this process gives it to nobody else. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count)
    if (given.has(port)) continue
    given.add(port)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

/** The hub as its users run it: a process of its own on a data directory. Started again on the same one, it must know everything. */
export async function startHubProcess({
  data_dir,
  port,
  env = {},
  root = ROOT,
}: {
  data_dir: string
  port: number
  env?: Record<string, string>
  /** The tree whose hub it is. */
  root?: string
}): Promise<HubProcess> {
  const child = spawn(process.execPath, [join(root, 'server/main.ts')], {
    env: {
      ...lifeline(),
      ...{ PATH: process.env['PATH'], HOME: data_dir, PARLEY_DATA_DIR: data_dir, PARLEY_PORT: String(port) },
      ...{ PARLEY_RATES: JSON.stringify(wideRates), ...env },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log: string[] = []
  const errors: string[] = []
  child.stderr.on('data', (text: Buffer) => errors.push(text.toString()))
  await listening(child, log, errors)
  const operator_token = env['PARLEY_OPERATOR_TOKEN'] ?? (await readFile(join(data_dir, 'operator.token'), 'utf8')).trim()
  return {
    ...{ url: `http://127.0.0.1:${port}`, operator_token, pid: child.pid ?? 0, data_dir, log, errors },
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      const [code] = await gone
      return code
    },
  }
}

async function listening(child: ChildProcess, log: string[], errors: string[]): Promise<void> {
  if (child.stdout === null) throw new Error('no stdout')
  const lines = createInterface(child.stdout)
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      log.push(line)
      if (line.includes('"hub.listening"')) resolve()
    })
    child.once('exit', (code) => reject(new RefusedToStart(`the hub exited with ${code}: ${errors.join('')}`)))
  })
}
