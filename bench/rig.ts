import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Embedded, launchEmbedded } from '../server/database/embedded/process/launch.ts'
import { freePort, type HubProcess, startHubProcess } from '../test/harness/processes/hub-process.ts'
import type { Operations } from './generator.ts'
import { otherCommit } from './other-commit.ts'

/** A server under load: where it listens, and which processes do its work. */
export interface Server {
  port: number
  pids: number[]
  stop(): Promise<void>
}

export interface ParleyServer extends Server {
  hub: HubProcess
  /** kill -9. */
  kill(): Promise<void>
}

export interface ParleyOptions {
  database?: Embedded
  env?: Record<string, string>
  /** The tree of another commit. */
  root?: string
}

export interface Generator {
  do<N extends keyof Operations>(name: N, argument: Parameters<Operations[N]>[0]): Promise<Awaited<ReturnType<Operations[N]>>>
}

/** The most that a setting takes. */
const [MANY, MOST_BYTES] = [1_000_000, 268_435_456]
/** Raised, for a load generator is many users in a few connections; all of them are still counted and compared. */
const LIMITS = {
  ...{ frames_per_s: MANY, frames_burst: MANY, bytes_per_s: MOST_BYTES, principal_frames_per_s: MANY, room_frames_per_s: MANY },
  ...{ stream_bytes: MOST_BYTES, connections: MANY, connections_per_address: MANY },
}
const TMPFS = 0x01021994
const OPERATION_MS = 180_000
const GENERATOR_ENDED = 'the load generator ended'

/** Everything that a run starts; `close` ends all of it, and nothing else. */
export async function createRig() {
  const directory = await mkdtemp(join(tmpdir(), 'parley-bench-'))
  // What is in memory is not durable, so its numbers would say nothing.
  if ((await statfs(directory)).type === TMPFS) throw new Error('the temporary directory is in memory: set TMPDIR to one on a disk')
  const closers: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })]
  const profiles = new Map<number, number>()
  let databases = 0
  let closing: Promise<void> | undefined
  const generator = await startGenerator()

  /** Whoever would start something now would leave it behind: what closes looks at each only once. */
  function requireOpen(): void {
    if (closing !== undefined) throw new Error('the run has ended')
  }

  async function forked(file: string, env: Record<string, string> = {}): Promise<{ child: ChildProcess; port: number }> {
    requireOpen()
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), { env: { PATH: process.env['PATH'], ...env }, stdio: 'inherit' })
    const stop = () => ended(child)
    closers.push(stop)
    const [told] = (await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [])])) as [{ port: number }?]
    if (told === undefined) throw new Error(`${file} did not start`)
    return { child, port: told.port }
  }

  async function startGenerator(): Promise<Generator> {
    const { child } = await forked('./generator.ts')
    const waiting = new Map<number, { resolve(result: never): void; reject(error: Error): void }>()
    let asked = 0
    child.on('message', ({ id, result, error }: { id: number; result: never; error?: string }) => {
      const one = waiting.get(id)
      waiting.delete(id)
      if (error === undefined) one?.resolve(result)
      else one?.reject(new Error(error))
    })
    child.on('exit', () => {
      for (const { reject } of waiting.values()) reject(new Error(GENERATOR_ENDED))
    })
    // What could not be sent is refused below, where it was asked.
    child.on('error', () => {})
    return {
      do: (name, argument) =>
        new Promise((resolve, reject) => {
          const id = ++asked
          const late = setTimeout(() => reject(new Error(`${name} took too long`)), OPERATION_MS)
          const settle = (finish: () => void) => {
            clearTimeout(late)
            finish()
          }
          waiting.set(id, { resolve: (result) => settle(() => resolve(result)), reject: (error) => settle(() => reject(error)) })
          child.send({ id, name, argument }, (failed) => {
            if (failed) waiting.get(id)?.reject(new Error(GENERATOR_ENDED))
          })
        }),
    }
  }

  /** A baseline by its file in `servers/`. */
  async function serve(name: string, env: Record<string, string> = {}, others: number[] = []): Promise<Server> {
    const { child, port } = await forked(`./servers/${name}.ts`, env)
    return { port, pids: [child.pid ?? 0, ...others], stop: () => ended(child) }
  }

  /** An embedded database on disk, so that a hub and a baseline can share it. */
  async function startDatabase(): Promise<Embedded> {
    requireOpen()
    const launching = launchEmbedded({ directory: join(directory, `db-${++databases}`), mode: 'durable' })
    // Before it is up, as below.
    closers.push(async () => (await launching.catch(() => undefined))?.stop())
    return launching
  }

  async function parley({ database, env = {}, root }: ParleyOptions = {}): Promise<ParleyServer> {
    const data_dir = await mkdtemp(join(directory, 'hub-'))
    const port = await freePort()
    requireOpen()
    const starting = startHubProcess({
      data_dir,
      port,
      ...(root === undefined ? {} : { root }),
      env: {
        ...{ PARLEY_LIMITS: JSON.stringify(LIMITS), PARLEY_LOG_LEVEL: 'info' },
        ...(database === undefined ? {} : { MONGODB_URI: database.uri }),
        ...env,
      },
    })
    let isGone = false
    const end = (how: 'stop' | 'kill') => async () => {
      const hub = await starting.catch(() => undefined)
      if (!isGone) await hub?.[how]()
      isGone = true
    }
    const stop = end('stop')
    // Before it is up: a run that ends meanwhile waits for it, and leaves nothing behind.
    closers.push(stop)
    const hub = await starting
    const store = database?.pid ?? (env['MONGODB_URI'] === undefined ? await embeddedOf(data_dir) : undefined)
    return { hub, port, pids: [hub.pid, ...(store === undefined ? [] : [store])], stop, kill: end('kill') }
  }

  /** The hub of another commit, with a database of its own. */
  async function parleyAt(commit: string): Promise<{ server: ParleyServer; name: string }> {
    const { root, name } = await otherCommit(commit, directory)
    return { server: await parley({ root, database: await startDatabase() }), name: `Parley at ${name}` }
  }

  /** Whoever asks waits until all has ended; also what began to start before. */
  function close(): Promise<void> {
    closing ??= closeAll()
    return closing
  }

  async function closeAll(): Promise<void> {
    for (let run = closers.pop(); run !== undefined; run = closers.pop()) await run().catch((cause: unknown) => console.error(cause))
  }

  /** The number of the next profile of a process. */
  function nextProfile(pid: number): number {
    const next = (profiles.get(pid) ?? 0) + 1
    profiles.set(pid, next)
    return next
  }

  return {
    directory,
    nextProfile,
    generator,
    serve,
    database: startDatabase,
    parley,
    parleyAt,
    close,
    onClose: (run: () => Promise<unknown>) => void closers.push(run),
  }
}

export type Rig = Awaited<ReturnType<typeof createRig>>

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}

async function embeddedOf(data_dir: string): Promise<number | undefined> {
  const files = await readdir(join(data_dir, 'database'))
  const owner = files.find((name) => name.includes('owner'))
  if (owner === undefined) return undefined
  return (JSON.parse(await readFile(join(data_dir, 'database', owner), 'utf8')) as { pid: number }).pid
}
