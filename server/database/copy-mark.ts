import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { mongo } from 'mongoose'
import { v7 as uuidv7 } from 'uuid'
import { StartRefusal } from '../core/start-refusal.ts'

const MARK_FILE = 'copied.json'

interface EpochDocument {
  _id: string
  value: string
  /** The copy for which the epoch was last made anew. */
  copy_id?: string
}

/**
 * Notes beside an embedded database that it stands apart from the one its clients know: it is a copy, or another one has taken its
 * place. The first hub to open it gives its logs a new epoch, so that no client trusts a place that it has from there.
 */
export async function markCopied(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await writeFile(join(directory, MARK_FILE), `${JSON.stringify({ copy_id: randomUUID() })}\n`, { mode: 0o600 })
}

/** Does what the note asks for, once, however many hubs open the copy at once, and takes it away. */
export async function settleCopy(directory: string, meta: mongo.Collection<EpochDocument>): Promise<void> {
  const copy_id = await readMark(directory)
  if (copy_id === undefined) return
  await renewEpoch(meta, copy_id)
  await rm(join(directory, MARK_FILE), { force: true })
}

/** Which copy this is; undefined for the database that its clients know. */
export async function readMark(directory: string): Promise<string | undefined> {
  const path = join(directory, MARK_FILE)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const copy_id = /"copy_id":"([\w-]{8,64})"/.exec(text)?.[1]
  if (copy_id !== undefined) return copy_id
  throw new StartRefusal(`${path} is damaged.`, `It says that this database is a copy. Write {"copy_id":"${randomUUID()}"} into it.`)
}

/** Other logs from here on, for all who ask: once for each copy. A database that has no epoch yet gets one at its first start. */
export async function renewEpoch(meta: mongo.Collection<EpochDocument>, copy_id: string): Promise<void> {
  await meta.updateOne({ _id: 'epoch', copy_id: { $ne: copy_id } }, { $set: { value: uuidv7(), copy_id } })
}
