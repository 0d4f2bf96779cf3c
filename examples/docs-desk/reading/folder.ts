import type { BigIntStats } from 'node:fs'
import { constants, type FileHandle, lstat, open, readdir, realpath, stat } from 'node:fs/promises'
import { join, posix } from 'node:path'
import type { FolderSettings } from '../settings.ts'

/** A larger file is hardly prose, and would have to be held in memory. */
const MOST_BYTES = 1_048_576
const MOST_FILES = 5_000
const DEEPEST = 16
/** Two writes within one tick of the file system's clock look the same; what was written so recently is read again. */
const SETTLED_AFTER_MS = 2_000

/** A file is refused. The sentence is for whoever asked, and names no path outside the folder. */
export class FileRefused extends Error {}

export interface FoundFile {
  /** Inside the folder, with slashes. */
  file: string
  /** Changes when the file does. */
  stamp: string
  /** Whether the same stamp later means the same content. */
  isSettled: boolean
}

/** The text files that the agent may read, and no others. */
export interface Folder {
  root: string
  only: readonly string[] | undefined
  /** Whether it is kept for checking rather than for reading. */
  isReference(file: string): boolean
  /** Every file that might be read, in order of name. */
  list(): Promise<FoundFile[]>
  /** The file's lines. Refuses what is outside, hidden, a link, not text or too large. */
  lines(file: string): Promise<string[]>
}

export async function openFolder({ root: given, only, reference }: FolderSettings): Promise<Folder> {
  const isFolder = await stat(given).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isFolder) throw new Error(`${given} is no folder. Set DOCS_DESK_FOLDER to a folder of text files.`)
  const root = await realpath(given)
  return {
    root,
    only,
    isReference: (file) => reference.some((one) => file === one || file.startsWith(`${one}/`)),
    list: async () => {
      const found: FoundFile[] = []
      for (const name of only ?? (await namesIn(root))) await collect(root, name, found)
      return found
    },
    lines: (file) => readLines({ root, only, file }),
  }
}

async function collect(root: string, file: string, found: FoundFile[]): Promise<void> {
  const name = posix.basename(file)
  if (found.length >= MOST_FILES || isPassedOver(name) || file.split('/').length > DEEPEST) return
  const seen = await lstat(join(root, file), { bigint: true }).catch(() => undefined)
  if (seen?.isDirectory()) {
    for (const inside of await namesIn(join(root, file))) await collect(root, `${file}/${inside}`, found)
  } else if (seen?.isFile() && seen.size <= MOST_BYTES) {
    found.push({ file, stamp: stampOf(seen), isSettled: Date.now() - Number(seen.mtimeMs) > SETTLED_AFTER_MS })
  }
}

/** Gone in this moment, or not ours to read: as good as empty. */
async function namesIn(path: string): Promise<string[]> {
  return (await readdir(path).catch(() => [])).sort()
}

const stampOf = ({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string => `${size}:${mtimeNs}:${ctimeNs}:${ino}`

function isPassedOver(name: string): boolean {
  return name.startsWith('.') || name === 'node_modules'
}

async function readLines({ root, only, file }: { root: string; only: readonly string[] | undefined; file: string }): Promise<string[]> {
  const path = join(root, safeName(file, only))
  const handle = await openPlain(path, file)
  try {
    return linesOf(await readText(handle, file))
  } finally {
    await handle.close()
  }
}

/** The name as it stands inside the folder. A name that could mean another place is refused before the disk is touched. */
function safeName(file: string, only: readonly string[] | undefined): string {
  const shown = JSON.stringify(file.slice(0, 200))
  if (file === '' || file.includes('\0')) throw new FileRefused(`${shown} is not the name of a file.`)
  if (file.startsWith('/') || file.includes('\\') || /^[A-Za-z]:/.test(file)) {
    throw new FileRefused(`${shown} is not a name inside the folder. Use the names that search gives, such as docs/guide.md.`)
  }
  const parts = file.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw new FileRefused(`${shown} leads out of the folder. Use the names that search gives.`)
  const isKnown = only === undefined || only.includes(parts[0] ?? '')
  if (!isKnown || parts.length === 0 || parts.some(isPassedOver)) throw new FileRefused(`${shown} is not among the files of this desk.`)
  return parts.join('/')
}

async function openPlain(path: string, file: string): Promise<FileHandle> {
  const shown = JSON.stringify(file)
  const real = await realpath(path).catch(() => undefined)
  if (real === undefined) throw new FileRefused(`There is no file ${shown}.`)
  if (real !== path) throw new FileRefused(`${shown} is reached through a symbolic link, and links are not followed.`)
  // O_NONBLOCK: a named pipe must not keep us waiting.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const handle = await open(path, flags).catch((cause: NodeJS.ErrnoException) => {
    throw new FileRefused(`${shown} cannot be opened (${cause.code}).`, { cause })
  })
  try {
    const opened = await handle.stat()
    if (!opened.isFile()) throw new FileRefused(`${shown} is not a file.`)
    if (opened.size > MOST_BYTES) throw new FileRefused(`${shown} has ${opened.size} bytes; ${MOST_BYTES} are the most.`)
    // A folder on the way may have become a link since the look at it.
    const again = await stat(real)
    if ((await realpath(path)) !== path || again.ino !== opened.ino) throw new FileRefused(`${shown} was replaced just now. Ask again.`)
    return handle
  } catch (thrown) {
    await handle.close()
    throw thrown
  }
}

async function readText(handle: FileHandle, file: string): Promise<string> {
  const bytes = await handle.readFile()
  if (bytes.length > MOST_BYTES || bytes.includes(0)) throw new FileRefused(`${JSON.stringify(file)} is not a text file.`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new FileRefused(`${JSON.stringify(file)} is not text in UTF-8.`, { cause })
  }
}

function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/)
  // What follows the last line's end is no line.
  if (lines.at(-1) === '') lines.pop()
  return lines
}
