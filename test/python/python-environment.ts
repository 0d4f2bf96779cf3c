import { execFile } from 'node:child_process'
import { hash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const folder = fileURLToPath(new URL('.', import.meta.url))

/** Why a host has no Python for the tests, and what to do. */
const MISSING = 'The tests need python3, 3.9 or newer, with its venv (on Debian: apt-get install python3-venv)'
const PROBE = 'import sys, venv, ensurepip; assert sys.version_info >= (3, 9), sys.version; print(sys.version, sys.executable)'

/**
 * The Python that has what the file of requirements names, in an environment of its own: made once per set of packages and Python, and kept in
 * `.venv`. Two runs at once make two, and one of them stays. Rejects when the host has no fit Python or the packages cannot be had.
 */
export async function pythonEnvironment(file = 'requirements.txt'): Promise<string> {
  const requirements = `${folder}${file}`
  const { stdout: version } = await execute('python3', ['-c', PROBE]).catch((cause: unknown) => {
    throw new Error(MISSING, { cause })
  })
  const home = `${folder}.venv/${hash('sha256', version + readFileSync(requirements, 'utf8')).slice(0, 16)}`
  const python = `${home}/bin/python`
  if (existsSync(python)) return python
  const building = `${folder}.venv/building-${process.pid}`
  await rm(building, { recursive: true, force: true })
  await mkdir(building, { recursive: true })
  await execute('python3', ['-m', 'venv', building])
  await execute(`${building}/bin/python`, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements])
  await rename(building, home).catch(async (cause: unknown) => {
    await rm(building, { recursive: true, force: true })
    if (!existsSync(python)) throw cause
  })
  return python
}
