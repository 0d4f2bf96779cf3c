import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/** The hub's own folder, for its owner only. */
export async function makeDataDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await chmod(path, 0o700)
}

/**
 * The secret in a file of the data directory, made on the first start: 0600, whole or not there. Two hubs that start at once get
 * the same one, for a link fails where a file is.
 */
export async function secretFile(directory: string, name: string, prefix = ''): Promise<string> {
  const path = join(directory, name)
  const known = await readIfThere(path)
  if (known !== undefined) return known
  const draft = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  await file.writeFile(`${prefix}${randomBytes(32).toString('base64url')}\n`)
  await file.sync()
  await file.close()
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await unlink(draft)
  const made = await readIfThere(path)
  if (made === undefined) throw new Error(`${path} could not be read back`)
  return made
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    const text = (await readFile(path, 'utf8')).trim()
    if (text.length < 24)
      throw new Error(`${path} is damaged: restore it, or delete it to make a new one (every key and session then ends)`)
    return text
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
