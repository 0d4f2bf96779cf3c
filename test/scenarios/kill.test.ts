import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { startCaller } from '../harness/history/caller.ts'
import { createHistory, type History } from '../harness/history/history.ts'
import { startPoster } from '../harness/history/poster.ts'
import { readLog } from '../harness/history/read-log.ts'
import { startStreamingAgent } from '../harness/history/streaming-agent.ts'
import { api, openContract, signUp } from '../harness/people.ts'
import { killDatabase, nothingIsOwed } from '../harness/processes/embedded-process.ts'
import { freePort, type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'
import { createRandom, seedOf } from '../harness/random.ts'

const ROUNDS = Number(process.env['PARLEY_KILL_ROUNDS'] ?? 10)
const CLIENTS = 10
const PARTS = 25

describe('kill -9', () => {
  it(`[LOG-18] ${ROUNDS} kills under ten posting clients and a streamed call: nothing lost, nothing twice`, async function () {
    this.timeout(30_000 + ROUNDS * 25_000)
    const seed = seedOf('PARLEY_KILL_SEED')
    console.log(`      seed ${seed} (PARLEY_KILL_SEED), ${ROUNDS} rounds (PARLEY_KILL_ROUNDS)`)
    const random = createRandom(seed)
    const data_dir = await mkdtemp(join(tmpdir(), 'parley-kill-'))
    const port = await freePort()
    const start = () => startHubProcess({ data_dir, port })
    let hub = await start()
    try {
      const first = await openContract(hub)
      const second = await openContract(hub, first)
      const rooms = [first.contract_id, second.contract_id]
      const others = await Promise.all(Array.from({ length: CLIENTS - 1 }, () => signUp(hub, ['reviewer'])))
      const history = createHistory()
      const url = () => hub.url
      const agent = startStreamingAgent({ person: first.provider, url, parts: PARTS })
      const posters = [first.requester, ...others].map((person) => startPoster({ person, rooms, url, history, random }))
      await agent.ready
      const calls = startCaller({ person: first.requester, contract_id: first.contract_id, url, ended: agent.ended })

      const recoveries: number[] = []
      for (let round = 0; round < ROUNDS; round++) {
        await delay(200 + random.below(900))
        calls.sleep(`sleep-${round}`)
        await delay(random.below(60))
        await Promise.all([hub.kill(), round % 2 === 1 ? killDatabase(data_dir) : undefined])
        const killed = performance.now()
        hub = await start()
        recoveries.push(Math.round(performance.now() - killed))
      }
      await Promise.all(posters.map(({ finish }) => finish()))
      const asked = await calls.finish()
      await nothingIsOwed(data_dir)

      for (const call_id of asked.written) {
        const path = `/contracts/${first.contract_id}/calls/${call_id}/text`
        const { body } = await api<string>(hub, 'GET', path, { bearer: hub.operator_token })
        expect(body, `the text of ${call_id}`).to.equal(agent.textOf(call_id))
        history.text(call_id, body)
      }
      agent.close()
      await checkRooms(hub, { rooms, history, seed })
      const outcomes = await outcomesOf(hub, first.contract_id)
      expect(asked.written.map((call_id) => outcomes.get(call_id))).to.deep.equal(asked.written.map(() => 'call.succeeded by agent'))
      expect(asked.slept.map((call_id) => outcomes.get(call_id))).to.deep.equal(asked.slept.map(() => 'call.timed_out by system'))
      expect(asked.slept).to.have.lengthOf(ROUNDS)
      console.log(
        `      ${JSON.stringify({ ...history.counts(), written: asked.written.length, slept: asked.slept.length })}, back after ms: ${recoveries}`,
      )
    } finally {
      await hub.stop()
      await rm(data_dir, { recursive: true, force: true })
    }
  })
})

async function checkRooms(hub: HubProcess, { rooms, history, seed }: { rooms: string[]; history: History; seed: number }): Promise<void> {
  for (const contract_id of rooms) {
    const log = await readLog(hub, contract_id)
    history.log(contract_id, log)
    const { body } = await api(hub, 'GET', `/contracts/${contract_id}/log/verify`, { bearer: hub.operator_token })
    expect(body).to.include({ ok: true, head: log.length })
  }
  expect(history.faults(), `PARLEY_KILL_SEED=${seed}`).to.deep.equal([])
}

async function outcomesOf(hub: HubProcess, contract_id: string): Promise<Map<string, string>> {
  const outcomes = new Map<string, string>()
  for (const event of await readLog(hub, contract_id)) {
    if (!('data' in event) || !('call_id' in event.data) || event.type === 'call.requested' || event.type === 'call.started') continue
    outcomes.set(event.data.call_id, `${event.type} by ${event.by.kind}`)
  }
  return outcomes
}
