import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startHub, type TestHub } from '../harness/hub.ts'
import { connectAs, openContract, registerAgent, signUp } from '../harness/people.ts'
import { until } from '../scenarios/stage.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(root + path, 'utf8')

/** Runs a program and answers what it printed, once it ended by itself. */
async function run(args: string[], env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, args, { cwd: root, env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text))
  // Not at its exit: what it printed last may still be in the pipe then.
  const [code] = await once(child, 'close')
  return { code, output }
}

describe('the documents', () => {
  let hub: TestHub

  before(async () => {
    hub = await startHub()
  })
  after(() => hub.close())

  it('[DOC-1] the bare client of PROTOCOL.md has twenty lines and does what is said, as it stands', async () => {
    const code = /```js adder\.mjs\n([\s\S]*?)```/.exec(read('docs/PROTOCOL.md'))?.[1] ?? ''
    expect(code.trimEnd().split('\n')).to.have.lengthOf(20)
    // Where it finds socket.io-client, and where git does not look.
    const path = `${root}node_modules/.adder-${process.pid}.mjs`
    writeFileSync(path, code)
    try {
      const { code: exit, output } = await run([path], { PARLEY_URL: hub.url, PARLEY_OPERATOR_TOKEN: hub.operator_token })
      const lines = output
        .trimEnd()
        .split('\n')
        .map((line) => line.slice(0, 24))
      expect({ exit, lines }).to.deep.equal({
        exit: 0,
        lines: ['2 call.requested {"call_', '3 call.started {"call_id', '2 and 3 make', '4 call.succeeded {"call_'],
      })
      expect(output).to.include('"output":5')
    } finally {
      rmSync(path)
    }
  })

  it('[DOC-2] the agent of the README has twenty lines and works, as it stands', async () => {
    const code = read('examples/echo-agent.ts')
    expect(read('README.md')).to.include(code)
    expect(code.trimEnd().split('\n').length).to.be.at.most(20)
    const agent = await registerAgent(hub, 'Echo')
    const requester = await signUp(hub)
    const { contract_id } = await openContract(hub, { requester, provider: agent })
    const child = spawn(process.execPath, ['examples/echo-agent.ts'], {
      cwd: root,
      env: { PATH: process.env['PATH'], PARLEY_URL: hub.url, PARLEY_KEY: agent.bearer },
      stdio: 'ignore',
    })
    try {
      const human = await connectAs(hub, requester)
      await human.must('room.join', { contract_id })
      await human.must('message.post', { contract_id, key: 'one', body: 'hello' })
      const reply = await human.event(contract_id, 'message.posted', (event) => 'by' in event && event.by.id === agent.id)
      expect(reply.data['body']).to.equal('You said: hello')
      await until('it has its tool', async () => {
        const joined = await human.ask('room.join', { contract_id })
        return joined.ok && joined.view.tools.length > 0
      })
      await human.must('tool.call', { contract_id, key: 'two', tool: 'spell', input: { word: 'abc' } })
      const done = await human.event(contract_id, 'call.succeeded')
      expect(done.data['output']).to.deep.equal({ letters: 3 })
      expect(done.data['stream']).to.include({ parts: 3, bytes: 6 })
      human.close()
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })

  it('[DOC-3] the tables of README.md and PROTOCOL.md are what the code says', async () => {
    expect(await run(['scripts/docs.ts', '--check'], {})).to.deep.equal({ code: 0, output: '' })
  })

  it('[DOC-4] every route of the README answers, and every route of the hub stands there', async () => {
    const rows = [...read('README.md').matchAll(/^\| `(GET|POST|PUT|PATCH|DELETE) (\/[^ `?]*)/gm)].map(
      ([, method, path]) => `${method} ${path}`,
    )
    for (const row of rows) {
      const [method = '', path = ''] = row.split(' ')
      const response = await fetch(hub.url + path, { method })
      expect(response.status, row).to.not.be.oneOf([404, 405])
    }
    expect([...hub.routes].sort()).to.deep.equal([...rows].sort())
  })
})
