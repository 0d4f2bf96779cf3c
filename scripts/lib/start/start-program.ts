import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeDataDirectory } from '../../../server/settings/data-directory.ts'
import { type Child, startChild } from './start-child.ts'
import type { StartSettings } from './start-settings.ts'

const project = fileURLToPath(new URL('../../..', import.meta.url))

/** One `scripts/start`, from its first child to its last. */
export interface Run {
  settings: StartSettings
  children: Child[]
  /** Aborted when someone stops us. */
  stopped: AbortSignal
}

/** A reason to stop which a person can act on. */
export class StartFault extends Error {}

/** Starts one program of this project under the run's settings, and remembers it for the end. */
export async function startProgram(
  { settings, children, stopped }: Run,
  { name, script, env = {}, reads = false }: { name: string; script: string; env?: NodeJS.ProcessEnv; reads?: boolean },
): Promise<Child> {
  stopped.throwIfAborted()
  const child = await startChild({
    name,
    args: [script],
    cwd: project,
    env: {
      ...process.env,
      PARLEY_HOST: settings.host,
      PARLEY_PORT: String(settings.port),
      PARLEY_DATA_DIR: settings.data_dir,
      ...(process.env['DOCS_DESK_FOLDER'] ? { DOCS_DESK_FOLDER: resolve(process.env['DOCS_DESK_FOLDER']) } : {}),
      ...env,
    },
    logFile: await freshLog(settings, name),
    reads,
  })
  children.push(child)
  return child
}

/** One log a start, and the one before it. */
async function freshLog({ data_dir, port }: StartSettings, name: string): Promise<string> {
  await makeDataDirectory(data_dir)
  const folder = join(data_dir, 'log')
  if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 })
  const file = join(folder, `${name}-${port}.log`)
  if (existsSync(file)) renameSync(file, `${file}.1`)
  return file
}

/** Rejects when someone stops us; never resolves. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
