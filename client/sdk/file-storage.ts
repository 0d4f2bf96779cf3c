import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isEntry, type OutboxEntry, type OutboxStorage } from './storage.ts'

/**
 * Keeps entries in one JSON file, so that they survive the process. A write replaces the whole file by a rename, so a crash leaves
 * the old list or the new one; entries that come while one is under way share the next. The file is for one process at a time.
 * `load` rejects when the file is there and is not such a list: it must not be overwritten unread.
 */
export function fileStorage(path: string): OutboxStorage {
  const entries = new Map<string, OutboxEntry>()
  let loading: Promise<void> | undefined
  let writing: Promise<void> | undefined
  let next: Promise<void> | undefined

  return {
    async load() {
      await ensureLoaded()
      return [...entries.values()]
    },
    async put(entry) {
      await ensureLoaded()
      entries.set(entry.id, entry)
      await save()
    },
    async remove(id) {
      await ensureLoaded()
      if (entries.delete(id)) await save()
    },
  }

  function ensureLoaded(): Promise<void> {
    loading ??= readEntries(path).then((list) => {
      for (const entry of list) entries.set(entry.id, entry)
    })
    return loading
  }

  /** Resolves when a write that began after now is on the disk. */
  function save(): Promise<void> {
    next ??= (writing ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => {
        next = undefined
        writing = replaceFile(path, JSON.stringify([...entries.values()]))
        return writing
      })
    return next
  }
}

async function readEntries(path: string): Promise<OutboxEntry[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '[]'
    throw error
  })
  const list: unknown = JSON.parse(text)
  if (!Array.isArray(list) || !list.every(isEntry)) throw new TypeError(`${path} is not an outbox`)
  return list
}

async function replaceFile(path: string, text: string): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  await writeDurably(temporary, text)
  await rename(temporary, path)
  // The rename itself is durable when its folder is.
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

async function writeDurably(path: string, text: string): Promise<void> {
  // Messages are in it: for the owner's eyes only.
  const handle = await open(path, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
