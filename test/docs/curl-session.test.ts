import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { freePort, type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'

const README = fileURLToPath(new URL('../../README.md', import.meta.url))
const SESSION = /<!-- curl -->\n```sh\n([\s\S]*?)```\n<!-- \/curl -->/
const SHOWN = '# → '

interface Step {
  commands: string
  shows: string[]
}

/** The commands as they stand, each with the lines that the README shows behind them. */
function stepsOf(session: string): Step[] {
  const steps: Step[] = [{ commands: '', shows: [] }]
  for (const line of session.trimEnd().split('\n')) {
    const last = steps.at(-1) as Step
    if (line.startsWith(SHOWN)) last.shows.push(line.slice(SHOWN.length))
    else if (last.shows.length > 0) steps.push({ commands: `${line}\n`, shows: [] })
    else last.commands += `${line}\n`
  }
  return steps
}

/** `…` stands for what is another one each time: an id, a key, a number of a request. */
function fits(shown: string, printed: string): boolean {
  const literal = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${shown.split('…').map(literal).join('[\\w-]+')}$`).test(printed)
}

describe('the curl session of the README', () => {
  let home: string
  let hub: HubProcess

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'parley-curl-'))
    hub = await startHubProcess({ data_dir: join(home, '.parley'), port: await freePort() })
  })
  after(async () => {
    await hub?.stop()
    await rm(home, { recursive: true, force: true })
  })

  it('[DOC-5] prints what stands there, command by command, as it is pasted', async () => {
    const steps = stepsOf(SESSION.exec(await readFile(README, 'utf8'))?.[1] ?? '')
    expect(steps.map(({ commands }) => commands).join(''))
      .to.include('/rotations')
      .and.to.include('/audit')
    const between = '\x1e'
    const script = steps.map(({ commands }) => `${commands}printf '${between}'\n`).join('')
    const { code, output, errors } = await runInShell(script, { HOME: home, PARLEY_URL: hub.url })
    expect({ code, errors }).to.deep.equal({ code: 0, errors: '' })
    const printed = output.split(between).slice(0, -1)
    expect(
      printed.filter((text) => !/^$|\n$/.test(text)),
      'what runs together with the next prompt',
    ).to.deep.equal([])
    const lines = printed.map((text) => (text === '' ? [] : text.trimEnd().split('\n')))
    expect(lines.map((some) => some.length)).to.deep.equal(steps.map(({ shows }) => shows.length))
    for (const [at, { shows }] of steps.entries()) {
      for (const [n, shown] of shows.entries()) expect(fits(shown, lines[at]?.[n] ?? ''), `${shown}\n${lines[at]?.[n]}`).to.equal(true)
    }
  })
})

async function runInShell(script: string, env: Record<string, string>) {
  const shell = spawn('bash', ['-eu'], { env: { PATH: process.env['PATH'], ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  const [out, err]: [string[], string[]] = [[], []]
  shell.stdout.on('data', (text: Buffer) => out.push(text.toString()))
  shell.stderr.on('data', (text: Buffer) => err.push(text.toString()))
  shell.stdin.end(script)
  const [code] = await once(shell, 'close')
  return { code, output: out.join(''), errors: err.join('') }
}
