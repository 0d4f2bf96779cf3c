import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { createHistory } from '../../harness/history/history.ts'
import { startPoster } from '../../harness/history/poster.ts'
import { readLog } from '../../harness/history/read-log.ts'
import { startHub } from '../../harness/hub.ts'
import { api, openContract, signUp } from '../../harness/people.ts'
import { freePort, startHubProcess } from '../../harness/processes/hub-process.ts'
import { createRandom, seedOf } from '../../harness/random.ts'

interface Reach {
  url: string
  operator_token: string
}

/** So many frames, or as many as a slow machine takes in this time. */
const FRAMES = 300
const LONGEST_MS = 10_000
/** Who has no answer by then is told of by the checker. */
const FINISH_MS = 30_000

/** Several hubs on one database, all writing to the same rooms. */
describe('several writers', function () {
  this.timeout(120_000)

  it('[LOG-17] three hubs of one process: one order, no hole, no double, every acknowledged place right', async () => {
    const first = await startHub()
    const others = [await startHub({ like: first }), await startHub({ like: first })]
    const hubs = [first, ...others]
    try {
      await writeEverywhere(hubs)
    } finally {
      for (const hub of hubs.toReversed()) await hub.close()
    }
    // That they have no Redis between them is told, and nothing else.
    expect(hubs.map(({ troubles }) => troubles.map(({ event }) => event))).to.deep.equal([
      [],
      ['hub.beside_another'],
      ['hub.beside_another'],
    ])
  })

  it('[LOG-17] two hub processes on one data directory: the second joins the database of the first', async () => {
    const data_dir = await mkdtemp(join(tmpdir(), 'parley-two-'))
    const hubs = []
    try {
      for (let n = 0; n < 2; n++) hubs.push(await startHubProcess({ data_dir, port: await freePort() }))
      await writeEverywhere(hubs)
    } finally {
      for (const hub of hubs.toReversed()) await hub.stop()
      await rm(data_dir, { recursive: true, force: true })
    }
  })
})

async function writeEverywhere(hubs: readonly Reach[]): Promise<void> {
  const seed = seedOf('PARLEY_SEED')
  const random = createRandom(seed)
  const [hub] = hubs as [Reach]
  const opened = [await openContract(hub), await openContract(hub)]
  const rooms = opened.map(({ contract_id }) => contract_id)
  const people = await Promise.all(Array.from({ length: 6 }, () => signUp(hub, ['reviewer'])))
  const history = createHistory()
  const anyUrl = () => hubs[random.below(hubs.length)]?.url ?? ''
  const posters = people.map((person) => startPoster({ person, rooms, url: anyUrl, secondUrl: anyUrl, history, random }))
  for (const until = performance.now() + LONGEST_MS; history.counts().acked < FRAMES && performance.now() < until; ) {
    await delay(200)
    posters[random.below(posters.length)]?.cut()
  }
  const finished = Promise.all(posters.map(({ finish }) => finish()))
  await Promise.race([finished, delay(FINISH_MS, undefined, { ref: false })])
  for (const { stop } of posters) stop()
  for (const contract_id of rooms) history.log(contract_id, await readLog(hub, contract_id))
  console.log(`      seed ${seed}: ${JSON.stringify(history.counts())}`)
  expect(history.faults(), `seed ${seed}`).to.deep.equal([])
  for (const contract_id of rooms) {
    const logs = await Promise.all(hubs.map((one) => readLog(one, contract_id)))
    for (const log of logs) expect(log).to.deep.equal(logs[0])
    const { body } = await api(hub, 'GET', `/contracts/${contract_id}/log/verify`, { bearer: hub.operator_token })
    expect(body).to.include({ ok: true, head: logs[0]?.length })
  }
}
