import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, link, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StartRefusal } from '../core/start-refusal.ts'

const OURS = ['secret', 'operator.token', 'database', 'log', 'hubs']
// What a fresh volume holds before anyone wrote into it.
const NOBODYS = ['lost+found']

/** The hub's own folder, for its owner only. Throws StartRefusal when it cannot be that. */
export async function makeDataDirectory(path: string): Promise<void> {
  try {
    await makeFolder(path)
    if ((await readable(path)) && (await isForeign(path))) throw foreign(path)
    await chmod(path, 0o700)
  } catch (cause) {
    if (cause instanceof StartRefusal) throw cause
    throw new StartRefusal(
      `The data directory ${path} cannot be used: ${reason(cause)}.`,
      'Set PARLEY_DATA_DIR to a folder that you may write to, for example PARLEY_DATA_DIR=~/.parley.',
      { cause },
    )
  }
}

/** Node's own recursive mkdir never comes back where a folder is there and yet takes none in it, such as /proc. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    if (codeOf(error) !== 'ENOENT' || existsSync(dirname(path))) throw error
    await makeFolder(dirname(path))
    await mkdir(path, { mode: 0o700 })
  }
}

const readable = async (path: string): Promise<boolean> => ((await stat(path)).mode & 0o077) !== 0

/** Somebody's home, /tmp or the root of the disk must not be closed to everyone else. */
async function isForeign(path: string): Promise<boolean> {
  const entries = (await readdir(path)).filter((name) => !NOBODYS.includes(name))
  return entries.length > 0 && !entries.some((name) => OURS.includes(name))
}

const foreign = (path: string): StartRefusal =>
  new StartRefusal(
    `The data directory ${path} holds other files, and others than you may look into it.`,
    `The hub wants a folder of its own: PARLEY_DATA_DIR=${join(path, 'parley')}.`,
  )

/** A file of the data directory that only its owner may read. */
export interface SecretFile {
  name: string
  prefix?: string
  /** What to do when it is damaged. */
  fix: string
}

export const operatorTokenFile: SecretFile = {
  name: 'operator.token',
  prefix: 'op_',
  fix: 'Restore it from a backup; or delete it and start the hub again, which makes a new one and ends the old one.',
}

export const hubSecretFile: SecretFile = {
  name: 'secret',
  fix: 'Restore it from a backup: the keys and sessions of this database were made under it, and no other one opens them.',
}

/**
 * The secret in a file of the data directory, made on the first start: 0600, whole or not there. Two hubs that start at once get
 * the same one, for a link fails where a file is. Throws StartRefusal when what stands there is none.
 */
export async function secretFile(directory: string, file: SecretFile): Promise<string> {
  const path = join(directory, file.name)
  const known = await readSecret(directory, file)
  if (known !== undefined) return known
  const draft = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`
  const made = await open(draft, 'wx', 0o600)
  await made.writeFile(`${file.prefix ?? ''}${randomBytes(32).toString('base64url')}\n`)
  await made.sync()
  await made.close()
  await link(draft, path).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error
  })
  await unlink(draft)
  const kept = await readSecret(directory, file)
  if (kept === undefined) throw new Error(`${path} could not be read back`)
  return kept
}

const LEAST_CHARS = 24

/** What the file holds, or undefined where there is none. A file that others may read is closed to them. */
export async function readSecret(directory: string, { name, fix }: SecretFile): Promise<string | undefined> {
  const path = join(directory, name)
  try {
    const text = (await readFile(path, 'utf8')).trim()
    if (text === '') throw new StartRefusal(`${path} is empty.`, fix)
    if (text.length < LEAST_CHARS) {
      throw new StartRefusal(`${path} holds ${text.length} characters; a secret has at least ${LEAST_CHARS}.`, fix)
    }
    if (!/^[!-~]+$/.test(text)) throw new StartRefusal(`${path} holds more than one word of plain characters.`, fix)
    if (await readable(path)) await chmod(path, 0o600)
    return text
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    if (cause instanceof StartRefusal) throw cause
    throw new StartRefusal(`${path} cannot be read: ${reason(cause)}.`, `It must be a file of this user's: chmod 600 ${path}.`, { cause })
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)

/** Node's `ENOENT: no such file or directory, mkdir '/x'` without the call: the sentence names the path already. */
const reason = (error: unknown): string => (error instanceof Error ? error.message.replace(/, \w+ '.*'$/, '') : String(error))
