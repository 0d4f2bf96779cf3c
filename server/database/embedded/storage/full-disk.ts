import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { constants } from 'node:os'

const { ENOSPC, EDQUOT, EFBIG, EIO } = constants.errno

/** The file may not grow: the disk is full, so is its owner's quota, or a limit on the size of files is reached. */
const FULL = new Set<unknown>([ENOSPC, EDQUOT, EFBIG])
const PROBE = Buffer.alloc(65_536)

/**
 * Whether a commit failed for want of space. A disk that had room for a part of it cuts the write short, and LMDB calls that EIO like a
 * broken disk; so then a file beside the store is made to grow at the same place, and what that says is the answer.
 */
export function isForWantOfSpace(error: unknown, storePath: string): boolean {
  const { code } = error as { code?: unknown }
  return FULL.has(code) || (code === EIO && !canGrow(storePath))
}

function canGrow(storePath: string): boolean {
  const path = `${storePath}-probe`
  try {
    const file = openSync(path, 'w', 0o600)
    try {
      return writeSync(file, PROBE, 0, PROBE.length, statSync(storePath).size) === PROBE.length
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    const { errno } = cause as NodeJS.ErrnoException
    return !FULL.has(errno === undefined ? undefined : -errno)
  } finally {
    rmSync(path, { force: true })
  }
}
