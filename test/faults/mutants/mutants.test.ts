import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createHistory, type History } from '../../harness/history/history.ts'
import { readLog } from '../../harness/history/read-log.ts'
import { type Client, connectAs, openContract, type Person } from '../../harness/people.ts'
import { freePort, type HubProcess, startHubProcess } from '../../harness/processes/hub-process.ts'
import { mutantEnv } from './mutants.ts'

/** Past what a hub keeps at hand of a room, so that only the index knows the first keys. */
const FRAMES = 1_200
const AT_ONCE = 100
const MANY = 1_000_000
const PARLEY_LIMITS = JSON.stringify({ frames_per_s: MANY, frames_burst: MANY, principal_frames_per_s: MANY, room_frames_per_s: MANY })

/** Hubs that are wrong on purpose, as processes: what the checker says of them over real sockets is what it would say of a bug. */
describe('wrong hubs over real sockets', function () {
  this.timeout(120_000)
  let data_dir: string
  let port: number
  let hub: HubProcess | undefined
  beforeEach(async () => {
    data_dir = await mkdtemp(join(tmpdir(), 'parley-mutant-'))
    port = await freePort()
  })
  afterEach(async () => {
    await hub?.stop()
    hub = undefined
    await rm(data_dir, { recursive: true, force: true })
  })

  async function start(env: Record<string, string> = {}): Promise<HubProcess> {
    hub = await startHubProcess({ data_dir, port, env: { PARLEY_LIMITS, ...env } })
    return hub
  }

  async function post(
    client: Client,
    { contract_id, who, key, history }: { contract_id: string; who: Person; key: string; history: History },
  ) {
    history.sent(contract_id, who.id, { key, body: key })
    const { seq, chain } = await client.must('message.post', { contract_id, key, body: key })
    history.acked(contract_id, who.id, { key, seq, chain })
  }

  /** It acknowledges some frames, is killed, and a right one comes in its place. */
  async function killedAfterAcks(env: Record<string, string>): Promise<string[]> {
    const { contract_id, requester } = await openContract(await start())
    await hub?.stop()
    const history = createHistory()
    const client = await connectAs(await start(env), requester)
    for (const key of ['a', 'b', 'c']) await post(client, { contract_id, who: requester, key, history })
    client.close()
    await hub?.kill()
    return kindsOf(history, await start(), contract_id)
  }

  /** One of the first of many frames goes again, to a hub that was restarted meanwhile. */
  async function askedAgainLater(env: Record<string, string>): Promise<string[]> {
    const { contract_id, requester: who } = await openContract(await start(env))
    const history = createHistory()
    const first = await connectAs(await startAgain(), who)
    for (let at = 0; at < FRAMES; at += AT_ONCE) {
      const keys = Array.from({ length: AT_ONCE }, (_, n) => `k${at + n}`)
      await Promise.all(keys.map((key) => post(first, { contract_id, who, key, history })))
    }
    first.close()
    const second = await connectAs(await startAgain(), who)
    await post(second, { contract_id, who, key: 'k7', history })
    second.close()
    return kindsOf(history, hub as HubProcess, contract_id)

    async function startAgain(): Promise<HubProcess> {
      await hub?.stop()
      return start(env)
    }
  }

  it('[HIST-10] one that acknowledges before it commits, and is killed, has lost frames', async () => {
    expect(await killedAfterAcks(mutantEnv('acknowledges before it commits'))).to.deep.equal(['lost'])
  })

  it('[HIST-10] a right one, by the same steps, has not', async () => {
    expect(await killedAfterAcks({})).to.deep.equal([])
  })

  it('[HIST-10] one without the unique index over keys has a frame twice', async () => {
    expect(await askedAgainLater(mutantEnv('has no unique index over keys'))).to.include('doubled')
  })

  it('[HIST-10] a right one, by the same steps, has each once', async () => {
    expect(await askedAgainLater({})).to.deep.equal([])
  })
})

async function kindsOf(history: History, hub: HubProcess, contract_id: string): Promise<string[]> {
  history.log(contract_id, await readLog(hub, contract_id))
  return [...new Set(history.faults().map(({ kind }) => kind))]
}
