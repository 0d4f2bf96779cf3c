import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { STORE_FILE } from '../../server/database/embedded/storage/data-check.ts'
import { createHistory } from '../harness/history/history.ts'
import { readLog } from '../harness/history/read-log.ts'
import { api, type Client, connectAs, openContract } from '../harness/people.ts'
import { databasePid } from '../harness/processes/embedded-process.ts'
import { freePort, type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'

const BODY = 'x'.repeat(60_000)
/** Far more than fit into what the store has free. */
const MOST_POSTS = 60
const LONGEST_WAIT_MS = 60_000

/**
 * The kernel lets the database's file grow no further, by a limit on its processes: the same refusal at the same call as on a full
 * disk, and it needs neither a disk of its own nor root.
 */
describe('a full disk', function () {
  this.timeout(120_000)
  let hub: HubProcess
  let data_dir: string
  before(async () => {
    data_dir = await mkdtemp(join(tmpdir(), 'parley-full-'))
    hub = await startHubProcess({ data_dir, port: await freePort() })
  })
  after(async () => {
    await hub.stop()
    await rm(data_dir, { recursive: true, force: true })
  })

  // On a page's edge the write is refused whole; elsewhere it is cut short, and only a new process of the database knows what is there.
  for (const beyond of [0, 5_000]) {
    it(`[FAULT-8] with ${beyond} bytes left: what is acknowledged stays, the rest is UNAVAILABLE, reads go on, and it recovers when there is space`, async () => {
      const { contract_id, requester } = await openContract(hub)
      const history = createHistory()
      const client = await connectAs(hub, requester)
      const post = async (at: number) => {
        const frame = { key: `${beyond}-${at}`, body: `${at} ${BODY}` }
        history.sent(contract_id, requester.id, frame)
        const code = await send(client, contract_id, frame)
        if (typeof code === 'string') history.putOff(contract_id, requester.id, frame.key)
        else history.acked(contract_id, requester.id, { key: frame.key, ...code })
        return code
      }
      for (const at of [0, 1, 2]) expect(await post(at)).to.include({ ok: true })
      await limitFiles((await stat(join(data_dir, 'database', STORE_FILE))).size + beyond)

      let refused = 3
      let code = await post(refused)
      for (; typeof code !== 'string' && refused < MOST_POSTS; code = await post(refused)) refused++
      expect(code).to.equal('UNAVAILABLE')
      expect((await readLog(hub, contract_id)).length).to.be.at.least(refused)

      await limitFiles('unlimited')
      const until = performance.now() + LONGEST_WAIT_MS
      while (typeof (await post(refused)) === 'string' && performance.now() < until) await delay(100)
      expect(await post(refused + 1)).to.include({ ok: true })
      client.close()
      history.log(contract_id, await readLog(hub, contract_id))
      expect(history.faults()).to.deep.equal([])
      const { body } = await api<{ ok: boolean }>(hub, 'GET', `/contracts/${contract_id}/log/verify`, { bearer: hub.operator_token })
      expect(body).to.include({ ok: true })
    })
  }

  /** The hub's too, for a database that is started again has the limits of its hub. */
  async function limitFiles(bytes: number | 'unlimited'): Promise<void> {
    for (const pid of [hub.pid, await databasePid(data_dir)]) execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`])
  }
})

/** Its place, or the code of the refusal; what only the rate refuses goes again. */
async function send(
  client: Client,
  contract_id: string,
  frame: { key: string; body: string },
): Promise<string | { ok: true; seq: number; chain: string }> {
  for (;;) {
    const answer = await client.ask('message.post', { contract_id, ...frame })
    if (answer.ok) return answer
    if (answer.error.code !== 'RATE_LIMITED') return answer.error.code
    await delay(Number(answer.error.facts?.['retry_after_ms'] ?? 100))
  }
}
