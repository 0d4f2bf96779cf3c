import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const runningSchema = z.object({ pid: z.int().positive(), url: z.url() })
export type RunningHub = z.infer<typeof runningSchema>

const ASK_MS = 1_500

/** Writes down that this hub runs on the directory, for the next one and for scripts/start. Answers how to take it back. */
export async function noteHub(data_dir: string, hub: RunningHub): Promise<() => Promise<void>> {
  const folder = join(data_dir, 'hubs')
  const path = join(folder, `${hub.pid}-${new URL(hub.url).port}.json`)
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await writeFile(path, `${JSON.stringify(hub)}\n`, { mode: 0o600 })
  return () => rm(path, { force: true })
}

/** The hubs that run on the directory now. The note of one that was killed is passed over, and taken away. */
export async function runningHubs(data_dir: string): Promise<RunningHub[]> {
  const folder = join(data_dir, 'hubs')
  const names = await readdir(folder).catch(() => []) // no hub was ever here, or none of ours
  const noted = await Promise.all(names.map((name) => livingHub(join(folder, name))))
  return noted.filter((hub) => hub !== undefined)
}

async function livingHub(path: string): Promise<RunningHub | undefined> {
  const hub = await readNote(path)
  if (hub === undefined) return undefined
  if (isAlive(hub.pid)) return (await answers(hub.url)) ? hub : undefined
  await rm(path, { force: true })
  return undefined
}

async function readNote(path: string): Promise<RunningHub | undefined> {
  try {
    return runningSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return undefined // just taken back, half written by a hub that was killed, or not ours
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM' // another user's
  }
}

/** The number of a killed hub may be another program's by now; its address would then be silent. */
async function answers(url: string): Promise<boolean> {
  try {
    await fetch(`${url}/livez`, { signal: AbortSignal.timeout(ASK_MS) })
    return true
  } catch {
    return false // nobody listens there
  }
}
