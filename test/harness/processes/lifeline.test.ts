import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { runProgram } from '../../scripts/run-program.ts'
import { forgetFolders, temporaryFolder } from '../../scripts/temporary-folder.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const mocha = fileURLToPath(new URL('../../../node_modules/.bin/mocha', import.meta.url))

// A run that never ends by itself: it starts a hub, which starts its database, and waits.
const endless = (data_dir: string): string => `
import { freePort, startHubProcess } from ${JSON.stringify(join(here, 'hub-process.ts'))}
it('waits for ever', async () => {
  const hub = await startHubProcess({ data_dir: ${JSON.stringify(data_dir)}, port: await freePort() })
  console.log('hub ' + hub.pid + '.')
  await new Promise(() => setInterval(() => {}, 1_000))
})
`

describe('a test run that is killed', () => {
  afterEach(forgetFolders)

  it('[HOUSE-17] takes the hubs and databases that it started with it', async () => {
    const folder = temporaryFolder({ 'package.json': '{"type":"module"}' })
    const data_dir = join(folder, 'data')
    const file = join(temporaryFolder({ 'package.json': '{"type":"module"}', 'endless.ts': endless(data_dir) }), 'endless.ts')
    const args = ['--no-config', '--require', join(here, '../root-hooks.ts'), '--extension', 'ts', '--timeout', '0', file]
    const run = runProgram({ command: mocha, args, cwd: folder })
    await run.says('.\n')
    const hub = Number(/hub (\d+)\./.exec(run.said())?.[1])
    const database = Number(JSON.parse(readFileSync(join(data_dir, 'database/owner.json'), 'utf8')).pid)
    expect([isAlive(hub), isAlive(database)]).to.deep.equal([true, true])
    run.process.kill('SIGKILL')
    // They are no children of this process, so nothing tells of their end.
    while (isAlive(hub) || isAlive(database)) await new Promise((resolve) => setTimeout(resolve, 20))
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false // gone
  }
}
