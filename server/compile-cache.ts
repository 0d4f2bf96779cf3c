import { mkdirSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Stripping the types of some hundred files, and compiling them, takes up to half a second at each start; remembered, it takes nothing. The
 * cache lies in the user's own directory: in the shared temporary one somebody else could put code into it.
 */
export function rememberCompiled(): void {
  const cache = join(homedir(), '.cache', 'parley', 'compile')
  try {
    mkdirSync(cache, { recursive: true, mode: 0o700 })
    enableCompileCache(cache)
  } catch {
    // A home that cannot be written costs the half second, nothing else.
  }
}
