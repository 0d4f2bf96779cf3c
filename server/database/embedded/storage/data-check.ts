import { closeSync, existsSync, fsyncSync, openSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { EmbeddedRefusal } from '../errors.ts'
import type { Storage } from './storage.ts'

export const STORE_FILE = 'store.mdb'
const FORMAT_FILE = 'format.json'
// Raised when a released layout of keys or catalog changes; a reader of another version refuses rather than guesses.
const FORMAT_VERSION = 1

type Format = { format: string; version: number; initialized: boolean }

const RESTORE = 'Move the directory aside and restore it from a backup (docs/OPERATIONS.md); nothing in it was changed.'

/** Looks at the files before LMDB maps them: mapping a broken file ends a process without a word. Nothing is written over. */
export function checkData(directory: string): { isNew: boolean; isShort: boolean } {
  const store = join(directory, STORE_FILE)
  const format = readFormat(directory)
  const hasStore = existsSync(store) && statSync(store).size > 0
  if (!format) {
    if (hasStore) throw new EmbeddedRefusal('DATA_CORRUPT', `${directory} holds a store but no ${FORMAT_FILE}.`, RESTORE)
    writeFormat(directory, { format: 'parley-embedded', version: FORMAT_VERSION, initialized: false })
    return { isNew: true, isShort: false }
  }
  if (format.initialized && !hasStore) {
    throw new EmbeddedRefusal('DATA_MISSING', `${store} was there once and is gone or empty.`, RESTORE)
  }
  return { isNew: !format.initialized, isShort: hasStore && checkStore(store) }
}

/** From here on a missing store is a loss and not a beginning. */
export function markInitialized(directory: string) {
  writeFormat(directory, { format: 'parley-embedded', version: FORMAT_VERSION, initialized: true })
}

function readFormat(directory: string): Format | undefined {
  const path = join(directory, FORMAT_FILE)
  if (!existsSync(path)) return undefined
  let format: Partial<Format>
  try {
    format = JSON.parse(readFileSync(path, 'utf8')) as Partial<Format>
  } catch (cause) {
    throw new EmbeddedRefusal('DATA_CORRUPT', `${path} is not readable: ${String((cause as Error).message)}`, RESTORE)
  }
  if (format.format !== 'parley-embedded' || format.version !== FORMAT_VERSION) {
    const message = `${path} names the format ${String(format.format)} ${String(format.version)}; this release reads parley-embedded ${FORMAT_VERSION}.`
    throw new EmbeddedRefusal('FORMAT_UNKNOWN', message, 'Start the release that wrote this directory, or use another directory.')
  }
  return { format: format.format, version: format.version, initialized: format.initialized === true }
}

function writeFormat(directory: string, format: Format) {
  const path = join(directory, FORMAT_FILE)
  const fresh = `${path}.new`
  writeFileSync(fresh, `${JSON.stringify(format)}\n`, { mode: 0o600 })
  syncPath(fresh)
  renameSync(fresh, path)
  syncPath(directory)
  // The directory's own name has to outlive a power cut as well.
  syncPath(dirname(directory))
}

function syncPath(path: string) {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

// Of LMDB's meta pages (struct MDB_page, then MDB_meta), as lmdb-js lays them out on 64 bits, little-endian.
const PAGE_HEADER = 24
const PAGE_FLAGS_AT = 18
const META_FLAG = 0x08
const MAGIC = 0xbeefc0de
const PAGE_BYTES = 8192

/** True if the file ends before its last page: free pages there are in order, used ones are a loss, and only a full reading tells. */
function checkStore(path: string): boolean {
  const { size } = statSync(path)
  const metas = Buffer.alloc(PAGE_BYTES + PAGE_HEADER + 160)
  const file = openSync(path, 'r')
  try {
    const read = readSync(file, metas, 0, metas.length, 0)
    if (read < metas.length) throw corrupt(path, `is only ${size} bytes long`)
  } finally {
    closeSync(file)
  }
  for (const at of [0, PAGE_BYTES]) {
    const isMeta = (metas.readUInt16LE(at + PAGE_FLAGS_AT) & META_FLAG) !== 0
    if (!isMeta || metas.readUInt32LE(at + PAGE_HEADER) !== MAGIC) throw corrupt(path, 'does not begin as a store does')
  }
  if (size % PAGE_BYTES !== 0) throw corrupt(path, `was cut off: ${size} bytes are no whole number of pages`)
  return size < (lastPage(metas) + 1) * PAGE_BYTES
}

// Within MDB_meta: magic 4, version 4, address 8, map size 8, two MDB_db of 48 bytes, last page 8, transaction 8.
const LAST_PAGE_AT = 4 + 4 + 8 + 8 + 48 + 48
const TXN_AT = LAST_PAGE_AT + 8

function lastPage(metas: Buffer): number {
  const pages = [0, PAGE_BYTES].map((at) => ({
    last: metas.readBigUInt64LE(at + PAGE_HEADER + LAST_PAGE_AT),
    txn: metas.readBigUInt64LE(at + PAGE_HEADER + TXN_AT),
  }))
  const newest = pages.reduce((one, other) => (other.txn > one.txn ? other : one))
  return Number(newest.last)
}

function corrupt(path: string, what: string) {
  return new EmbeddedRefusal('DATA_CORRUPT', `${path} ${what}.`, RESTORE)
}

const CHUNK = 1000

/** Reads entries until the time is up, so that a page that cannot be read is met now and not in the middle of work. */
export function readThrough(storage: Pick<Storage, 'range'>, budgetMs: number) {
  const until = performance.now() + budgetMs
  const end = Buffer.alloc(5, 0xff)
  let start: Buffer = Buffer.from([0])
  for (;;) {
    const { entries, isEnd } = storage.range({ start, end, reverse: false, limit: CHUNK, exclusiveStart: true })
    const last = entries.at(-1)
    if (!last || isEnd || performance.now() > until) return
    start = last.key
  }
}
