import { accessSync, chmodSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { EmbeddedRefusal } from '../errors.ts'
import { checkData, markInitialized, STORE_FILE } from '../storage/data-check.ts'
import { createEmbeddedServer, type EmbeddedServer } from '../wire/server.ts'
import { takeOwnership } from './owner-lock.ts'
import { assertSocketPath, OWNER_FILE, socketPathIn } from './socket-path.ts'

/** Exit codes the launcher reads. Any other end before `ready` is a crash. */
const EXIT = { refused: 1, owned: 3, fatal: 70 }

type Arguments = { directory: string; isMemory: boolean; idleMs: number }

function readArguments(): Arguments {
  const { values } = parseArgs({ options: { directory: { type: 'string' }, memory: { type: 'boolean' }, 'idle-ms': { type: 'string' } } })
  if (!values.directory) throw new EmbeddedRefusal('ARGUMENTS_INVALID', '--directory is missing.', 'Say --directory PATH.')
  return { directory: resolve(values.directory), isMemory: values.memory === true, idleMs: Number(values['idle-ms'] ?? 30_000) }
}

function prepareDirectory(directory: string) {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
    chmodSync(directory, 0o700)
  } catch (cause) {
    const message = `The directory ${directory} cannot be written: ${String((cause as Error).message)}`
    throw new EmbeddedRefusal('DIRECTORY_NOT_WRITABLE', message, 'Give its owner the right to write, or name another directory.')
  }
}

async function main() {
  const { directory, isMemory, idleMs } = readArguments()
  const socketPath = socketPathIn(directory)
  assertSocketPath(socketPath)
  prepareDirectory(directory)
  const lock = takeOwnership(directory)
  if (!lock) {
    say({ owned: true })
    process.exitCode = EXIT.owned
    return
  }
  const state = isMemory ? undefined : checkData(directory)
  const memoryDirectory = isMemory ? mkdtempSync(join(tmpdir(), 'parley-memory-')) : undefined
  // Only the owner comes here, so a socket file that lies there belongs to nobody.
  rmSync(socketPath, { force: true })
  let server: EmbeddedServer | undefined
  let isStopping = false
  const stop = async (code: number) => {
    if (isStopping) return
    isStopping = true
    await server?.stop()
    rmSync(socketPath, { force: true })
    if (memoryDirectory) rmSync(memoryDirectory, { recursive: true, force: true })
    lock.release()
    process.exit(code)
  }
  const watchClients = endWhenIdle(idleMs, () => void stop(0))
  server = await createEmbeddedServer({
    socketPath,
    storage: { path: join(memoryDirectory ?? directory, STORE_FILE), mode: isMemory ? 'memory' : 'durable' },
    readThroughMs: state?.isShort ? Number.POSITIVE_INFINITY : isMemory ? 0 : QUICK_READ_MS,
    onOpen: () => {
      if (state?.isNew) markInitialized(directory)
    },
    onFatal: (error) => {
      console.error('embedded database: the disk refused a write, so this process ends', error)
      process.exit(EXIT.fatal)
    },
    onClients: watchClients,
    onStopAsked: () => void stop(0),
  })
  writeFileSync(join(directory, OWNER_FILE), `${JSON.stringify({ pid: process.pid })}\n`, { mode: 0o600 })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(0))
  // A hub that ended closes its terminal: the store stays for the next one.
  process.on('SIGHUP', () => undefined)
  say({ ready: true, pid: process.pid })
  // Now and not at the end: this process may well be killed.
  flushCompileCache()
}

// Enough to read a small store through at each start; of a large one it reads the beginning.
const QUICK_READ_MS = 100

/** Ends a process that nobody has used for a while, but only after somebody did: the first client may be slow to come. */
function endWhenIdle(idleMs: number, end: () => void): (clients: { connections: number }) => void {
  let timer: NodeJS.Timeout | undefined
  return ({ connections }) => {
    clearTimeout(timer)
    if (connections === 0) timer = setTimeout(end, idleMs)
  }
}

function say(line: Record<string, unknown>) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

try {
  await main()
} catch (error) {
  const refusal = error instanceof EmbeddedRefusal ? error : startFailure(error)
  say({ error: { code: refusal.code, message: refusal.message, fix: refusal.fix } })
  process.exitCode = EXIT.refused
}

function startFailure(error: unknown): EmbeddedRefusal {
  const message = String((error as Error).message)
  if (/MDB_|corrupt|page/i.test(message)) {
    return new EmbeddedRefusal(
      'DATA_CORRUPT',
      `The store cannot be opened: ${message}`,
      'Move the directory aside and restore it from a backup (docs/OPERATIONS.md).',
    )
  }
  return new EmbeddedRefusal('START_FAILED', `The embedded database did not start: ${message}`, 'See embedded.log in its directory.')
}
