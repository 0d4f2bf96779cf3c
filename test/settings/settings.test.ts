import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { ConfigError, readConfig } from '../../server/settings/config.ts'
import { limitBounds } from '../../server/settings/limit-bounds.ts'
import { defaultLimits } from '../../shared/protocol/index.ts'
import { runProgram } from '../scripts/run-program.ts'
import { forgetFolders, temporaryFolder } from '../scripts/temporary-folder.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

const faultsOf = (env: Record<string, string>): string[] => {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

const limitFaults = (limits: unknown): string[] => faultsOf({ PARLEY_LIMITS: JSON.stringify(limits) })

describe('settings', () => {
  afterEach(forgetFolders)

  it('[SET-1] every fault of every setting is named at once', () => {
    const env = {
      PARLEY_PORT: 'six',
      PARLEY_PUBLIC_URL: 'http://parley.example.com',
      PARLEY_OPERATOR_TOKEN: 'short',
      PARLEY_LIMITS: '{"tools":0,"page_events":0}',
      MONGODB_URI: 'localhost',
      REDIS_URL: 'redis://:x y',
    }
    const faults = faultsOf(env)
    expect(faults.map((fault) => fault.split(':')[0])).to.deep.equal([
      ...['PARLEY_PORT', 'PARLEY_PUBLIC_URL', 'PARLEY_OPERATOR_TOKEN', 'PARLEY_LIMITS', 'PARLEY_LIMITS', 'MONGODB_URI', 'REDIS_URL'],
    ])
    expect(faults.join()).not.to.contain('short')
  })

  it('[SET-2] a limit that is no whole number within its bounds is refused by name, each of them, with the bounds', () => {
    const faults = limitFaults({ tools: 0, heartbeat_ms: -1, page_events: 1e12, frame_bytes: '4096', input_depth: 8.5, toString: 1 })
    const named = ['tools is 0', 'heartbeat_ms is -1', 'page_events is 1000000000000', 'frame_bytes is "4096"', 'input_depth is 8.5']
    for (const [at, part] of named.entries()) expect(faults[at]).to.contain(part).and.to.contain('a whole number from')
    expect(faults.at(-1)).to.equal('PARLEY_LIMITS: toString is no limit; docs/PROTOCOL.md names them')
    for (const text of ['[]', 'null', '"tools"', '{', '7']) expect(faultsOf({ PARLEY_LIMITS: text }), text).to.have.length(1)
  })

  it('[SET-2] every limit has bounds around its default, and both bounds are allowed', () => {
    expect(Object.keys(limitBounds)).to.deep.equal(Object.keys(defaultLimits))
    for (const [name, [least, most]] of Object.entries(limitBounds)) {
      expect(Reflect.get(defaultLimits, name), name).to.be.within(least, most)
      const about = (value: number) => limitFaults({ [name]: value }).filter((fault) => fault.includes('whole number'))
      expect([about(least), about(most)], name).to.deep.equal([[], []])
      expect([about(least - 1).length, about(most + 1).length], name).to.deep.equal([1, 1])
    }
  })

  it('[SET-2] limits that contradict each other, or a default that stays, are refused', () => {
    expect(limitFaults({ call_timeout_ms: 90_000_000 })[0])
      .to.contain('call_timeout_ms')
      .and.to.contain('call_timeout_max_ms')
    expect(limitFaults({ heartbeat_ms: 30_000 })[0]).to.contain('unhealthy_after_ms')
    expect(limitFaults({ heartbeat_ms: 30_000, unhealthy_after_ms: 60_000 })).to.deep.equal([])
    expect(readConfig({ PARLEY_LIMITS: '{"tools":5}' }).limits).to.deep.equal({ tools: 5 })
  })

  it("[SET-3] a data directory under ~ is under one's home, and another's home is refused", () => {
    const folder = (path: string) => readConfig({ PARLEY_DATA_DIR: path }).data_dir
    expect([folder('~/x'), folder('~'), folder('/a/~/b')]).to.deep.equal([join(homedir(), 'x'), homedir(), '/a/~/b'])
    expect(faultsOf({ PARLEY_DATA_DIR: '~someone/x' })[0])
      .to.contain('PARLEY_DATA_DIR')
      .and.to.contain('whole path')
  })

  it("[SET-10] a name that is none of the hub's is told at the start, with the nearest that is; those of others, and values, never", async () => {
    const env = {
      PARLEY_PROT: '7000',
      PARLEY_DATA_DIRECTORY: 'x',
      PARLEY_COLOUR: 'red',
      parley_port: '1',
      PORT: '2',
      MONGO_URI: 'hidden-word',
    }
    const others = {
      PARLEY_URL: 'x',
      PARLEY_KEY: 'x',
      PARLEY_TOKEN: 'x',
      PARLEY_TEST_LIFELINE: 'x',
      PARLEY_NOTHING: '',
      PARLEY_HOST: '127.0.0.1',
    }
    expect(readConfig({ ...env, ...others }).unknown).to.deep.equal([
      { name: 'PARLEY_COLOUR' },
      { name: 'PARLEY_DATA_DIRECTORY' },
      { name: 'PARLEY_PROT', nearest: 'PARLEY_PORT' },
    ])
    // A data directory that cannot be made ends the hub before it opens anything; what it warns of comes first.
    const folder = temporaryFolder({ file: '' })
    const hub = runProgram({
      ...{ command: process.execPath, args: ['server/main.ts'], cwd: root },
      env: { PARLEY_PROT: 'hidden-word', PARLEY_DATA_DIR: join(folder, 'file') },
    })
    expect(await hub.ended).to.equal(1)
    const [first = ''] = hub.printed().split('\n')
    expect(JSON.parse(first)).to.deep.include({ level: 'warn', event: 'setting.unknown' })
    expect(JSON.parse(first).details.detail).to.equal('There is no setting PARLEY_PROT, so it changes nothing.')
    expect(JSON.parse(first).details.fix).to.include('Is PARLEY_PORT meant?')
    expect(hub.said()).to.not.include('hidden-word')
  })
})
