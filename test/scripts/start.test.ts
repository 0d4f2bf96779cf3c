import { cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { freePort } from '../harness/processes/hub-process.ts'
import { type Program, runProgram } from './run-program.ts'
import { forgetFolders, temporaryFolder } from './temporary-folder.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

const TOKEN = 'the-token-of-the-operator'
// What of the server scripts/start itself uses.
const USED = ['settings', 'core']

// A hub that does no more than start.ts asks of one. It notes its end, and leaves a child behind for start.ts to find.
const hub = `
import { spawn } from 'node:child_process'
import { appendFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { noteHub } from './settings/running-hubs.ts'
const { PARLEY_DATA_DIR: dir, PARLEY_PORT: port, PARLEY_HOST: host, FAILS } = process.env
if (FAILS) {
  console.log(JSON.stringify({ level: 'info', event: 'looking' }))
  console.log(JSON.stringify({ level: 'fatal', message: 'the data directory is corrupt', details: { fix: 'Restore a backup.' } }))
  process.exit(3)
}
writeFileSync(dir + '/operator.token', '${TOKEN}\\n')
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
appendFileSync(dir + '/pids', process.pid + '\\n' + child.pid + '\\n')
const server = createServer((request, response) => {
  const link = request.url === '/sign-in-links' && request.headers.authorization === 'Bearer ${TOKEN}'
  response.statusCode = link ? 201 : request.url === '/readyz' || request.url === '/health' ? 200 : 401
  response.end(JSON.stringify(link ? { url: 'http://the-link', expires_at: new Date().toISOString() } : { status: 'ok', database: {} }))
})
console.log(JSON.stringify({ level: 'warn', event: 'near', details: { detail: 'Something is near.', fix: 'Look around.' } }))
const error = { name: 'Error', message: 'the store went away', stack: 'Error' }
console.log(JSON.stringify({ level: 'error', event: 'http.failed', details: { method: 'GET', path: '/me' }, error }))
server.listen(Number(port), host, async () => {
  const forget = await noteHub(dir, { pid: process.pid, url: 'http://127.0.0.1:' + server.address().port })
  process.on('SIGTERM', async () => { await forget(); appendFileSync(dir + '/order', 'hub\\n'); process.exit(0) })
})
`
const agent = `
import { appendFileSync } from 'node:fs'
const { PARLEY_DATA_DIR: dir, PARLEY_OPERATOR_TOKEN: token, PARLEY_URL: url, AGENT_FAILS } = process.env
if (token !== '${TOKEN}' || !url) process.exit(4)
if (AGENT_FAILS) {
  console.error(JSON.stringify({ level: 'error', message: 'The desk cannot go on', details: { fix: 'Give it a folder.' } }))
  process.exit(5)
}
appendFileSync(dir + '/asks', url)
appendFileSync(dir + '/pids', process.pid + '\\n')
setInterval(() => {}, 1000)
setTimeout(() => console.log(JSON.stringify({ ready: true, contract_id: 'c' })), 50)
process.on('SIGTERM', () => { appendFileSync(dir + '/order', 'agent\\n'); process.exit(0) })
`

describe('scripts/start', () => {
  const started: Program[] = []

  afterEach(async () => {
    for (const program of started.splice(0)) {
      program.process.kill('SIGTERM')
      await program.ended
    }
    forgetFolders()
  })

  it('[HOUSE-4] prints the address and a sign-in link once hub and example are ready', async () => {
    const { program, port } = await start()
    await program.says('http://the-link')
    expect(program.said()).to.contain(`Parley runs at http://127.0.0.1:${port}`).and.to.contain('docs-desk').and.to.contain('Ctrl-C')
  })

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`[HOUSE-5] ${signal} stops all that it started, the agent first, and ends with 0`, async () => {
      const { program, dataDir } = await start()
      await program.says('http://the-link')
      program.process.kill(signal)
      expect(await program.ended, program.said()).to.equal(0)
      expect(readFileSync(join(dataDir, 'order'), 'utf8')).to.equal('agent\nhub\n')
      expect(alive(dataDir)).to.deep.equal([])
    })
  }

  it('[HOUSE-5] a stop while the hub still starts leaves nothing behind', async () => {
    const { program, dataDir } = await start()
    while (!existsSync(join(dataDir, 'pids'))) await delay(5)
    program.process.kill('SIGINT')
    expect(await program.ended).to.equal(0)
    expect(alive(dataDir)).to.deep.equal([])
  })

  it('[HOUSE-6] says that the hub ended when it was killed, stops the rest, and ends with 1', async () => {
    const { program, dataDir } = await start()
    await program.says('http://the-link')
    process.kill(Number(readFileSync(join(dataDir, 'pids'), 'utf8').split('\n')[0]), 'SIGKILL')
    expect(await program.ended).to.equal(1)
    expect(program.said()).to.contain('the hub ended (signal SIGKILL), by force').and.to.contain('scripts/start brings it back')
    expect(program.said()).to.match(
      /It did not end by itself\. .* may be sent again:\n {2}\| http\.failed · GET \/me · the store went away\n/,
    )
    expect(program.said()).not.to.contain('the hub goes on')
    expect(alive(dataDir)).to.deep.equal([])
  })

  it("[HOUSE-6] shows the hub's own reason when it does not start", async () => {
    const { program } = await start({ env: { FAILS: 'yes' } })
    expect(await program.ended).to.equal(1)
    expect(program.said()).to.contain('the hub did not start (exit code 3)')
    expect(program.said()).to.contain('the data directory is corrupt · Restore a backup.').and.not.to.contain('looking')
  })

  it('[HOUSE-6] names every wrong setting before it starts anything', async () => {
    const { program, dataDir } = await start({ env: { PARLEY_PORT: 'six', MONGODB_URI: 'localhost' } })
    expect(await program.ended).to.equal(1)
    expect(program.said()).to.contain('PARLEY_PORT').and.to.contain('MONGODB_URI')
    expect(existsSync(dataDir)).to.equal(false)
  })

  it("[HOUSE-7] on this data directory's own hub prints a new sign-in link, starts nothing, and ends with 0", async () => {
    const first = await start()
    await first.program.says('http://the-link')
    const before = alive(first.dataDir)
    const second = await start({ port: first.port, dataDir: first.dataDir })
    expect(await second.program.ended, second.program.said()).to.equal(0)
    expect(second.program.said()).to.contain(`Parley runs already at http://127.0.0.1:${first.port}`).and.to.contain('http://the-link')
    expect(alive(first.dataDir)).to.deep.equal(before)
  })

  it('[HOUSE-7] says so when the running hub has another operator token', async () => {
    const first = await start()
    await first.program.says('http://the-link')
    const env = { PARLEY_OPERATOR_TOKEN: 'another-token-of-24-characters' }
    const second = await start({ port: first.port, dataDir: first.dataDir, env })
    expect(await second.program.ended).to.equal(1)
    expect(second.program.said()).to.contain("another operator's token").and.to.contain('PARLEY_OPERATOR_TOKEN')
  })

  it("[HOUSE-7] refuses a port that another directory's hub holds, and says where it runs and how to start a second one", async () => {
    const first = await start()
    await first.program.says('http://the-link')
    const second = await start({ port: first.port })
    expect(await second.program.ended).to.equal(1)
    expect(second.program.said())
      .to.contain(`A hub on another data directory already runs at http://127.0.0.1:${first.port}`)
      .and.to.contain('PARLEY_PORT=')
    expect(existsSync(join(second.dataDir, 'pids'))).to.equal(false)
  })

  it('[HOUSE-7] refuses a port that another program holds, and says which to take', async () => {
    const other = createServer((_, response) => response.end('not a hub')).listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo // it listens on TCP
    const { program } = await start({ port })
    expect(await program.ended).to.equal(1)
    expect(program.said())
      .to.contain(`Port ${port} is taken by another program`)
      .and.to.contain(`PARLEY_PORT=${port + 1} scripts/start`)
    other.close()
  })

  it('[HOUSE-14] with port 0 prints the address that the hub took, and tells it to the example', async () => {
    const { program, dataDir } = await start({ port: 0 })
    await program.says('http://the-link')
    const [, url] = /Parley runs at (http:\/\/127\.0\.0\.1:\d+)/.exec(program.said()) ?? []
    expect((await fetch(`${url}/health`)).status).to.equal(200)
    expect(readFileSync(join(dataDir, 'asks'), 'utf8')).to.equal(url)
  })

  it('[HOUSE-15] tells that the example ended and why, and does not call it at work', async () => {
    const { program } = await start({ env: { AGENT_FAILS: 'yes' } })
    await program.says('http://the-link')
    expect(program.said()).to.contain('The example agent ended (exit code 5)').and.to.contain('The desk cannot go on · Give it a folder.')
    expect(program.said()).not.to.contain('at work')
  })

  it('[HOUSE-15] passes on what the hub warned of', async () => {
    const { program } = await start()
    await program.says('Note: Something is near. · Look around.')
  })

  async function start({ port, dataDir, env = {} }: { port?: number; dataDir?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Started> {
    const folder = temporaryFolder({ 'package.json': '{"type":"module"}', 'server/main.ts': hub, 'examples/docs-desk/main.ts': agent })
    cpSync(join(project, 'scripts'), join(folder, 'scripts'), { recursive: true })
    for (const part of USED) cpSync(join(project, 'server', part), join(folder, 'server', part), { recursive: true })
    cpSync(join(project, 'shared'), join(folder, 'shared'), { recursive: true })
    symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'))
    dataDir ??= join(folder, 'data')
    const settings = { PARLEY_HOST: '127.0.0.1', PARLEY_PORT: String(port ?? (await freePort())), PARLEY_DATA_DIR: dataDir, ...env }
    const unset = { PARLEY_OPERATOR_TOKEN: '', PARLEY_PUBLIC_URL: '' }
    const program = runProgram({ command: process.execPath, args: ['scripts/start.ts'], cwd: folder, env: { ...unset, ...settings } })
    started.push(program)
    return { program, dataDir, port: Number(settings.PARLEY_PORT) }
  }
})

interface Started {
  program: Program
  dataDir: string
  port: number
}

/** Which of the processes that noted their ids still live. */
function alive(dataDir: string): string[] {
  const pids = existsSync(join(dataDir, 'pids')) ? readFileSync(join(dataDir, 'pids'), 'utf8').trim().split('\n') : []
  return pids.filter((pid) => {
    try {
      return process.kill(Number(pid), 0)
    } catch {
      return false // no such process
    }
  })
}
