import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './hub-process.ts'

export interface RedisServer {
  url: string
  /** Sends one command and answers what came back, as it stands on the wire. */
  ask(...command: string[]): Promise<string>
  /** kill -9. What it held is gone, for it keeps nothing. */
  kill(): Promise<void>
  /** On the same port again, empty. */
  start(): Promise<void>
  /** It keeps its connections and answers nothing, until `resume`. */
  pause(): void
  resume(): void
  stop(): Promise<void>
}

const PATIENCE_MS = 45_000

/** A Redis of its own on a free loopback port, without persistence. Where there is no redis-server, the test fails. */
export async function startRedis({ isUp = true } = {}): Promise<RedisServer> {
  const port = await freePort()
  const directory = await mkdtemp(join(tmpdir(), 'parley-redis-'))
  let server: ChildProcess | undefined
  const killAtExit = () => server?.kill('SIGKILL')
  process.once('exit', killAtExit)
  if (isUp) server = await launch(port, directory)

  async function kill(): Promise<void> {
    const running = server
    server = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const gone = once(running, 'exit')
    running.kill('SIGKILL')
    await gone
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    ask: (...command) => ask(port, command),
    kill,
    start: async () => {
      server = await launch(port, directory)
    },
    pause: () => void server?.kill('SIGSTOP'),
    resume: () => void server?.kill('SIGCONT'),
    stop: async () => {
      await kill()
      process.off('exit', killAtExit)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function launch(port: number, directory: string): Promise<ChildProcess> {
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no']
  const server = spawn('redis-server', [...settings, '--daemonize', 'no'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said: string[] = []
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`redis-server did not start (on Debian: apt-get install redis-server): ${why}`))
    const timer = setTimeout(() => fail(said.join('')), PATIENCE_MS)
    const settle = (finish: () => void) => {
      clearTimeout(timer)
      finish()
    }
    server.once('error', (error) => settle(() => fail(error.message)))
    server.once('exit', (code) => settle(() => fail(`it exited with ${code}: ${said.join('')}`)))
    server.stdout?.on('data', (text: Buffer) => {
      said.push(text.toString())
      if (said.join('').includes('Ready to accept connections')) settle(resolve)
    })
  })
  return server
}

/** Without a client library, so that what a test looks at does not depend on the code it tests. */
async function ask(port: number, command: readonly string[]): Promise<string> {
  const socket = createConnection({ port, host: '127.0.0.1' })
  try {
    const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`)
    socket.write(`*${command.length}\r\n${parts.join('')}`)
    const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) })
    return String(answer)
  } finally {
    socket.destroy()
  }
}
