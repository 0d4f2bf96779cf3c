import { execFile } from 'node:child_process'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The tree of another commit, on the packages of this one: to run its hub as one more lane of the same rounds. Answers its folder. */
export async function otherCommit(commit: string, directory: string): Promise<{ root: string; name: string }> {
  const { stdout } = await run('git', ['rev-parse', '--short', '--verify', `${commit}^{commit}`], { cwd: ROOT })
  const name = stdout.trim()
  const root = join(directory, name)
  await mkdir(root, { recursive: true })
  const archive = `${root}.tar`
  await run('git', ['archive', '--output', archive, name], { cwd: ROOT })
  await run('tar', ['-xf', archive, '-C', root])
  await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  return { root, name }
}
