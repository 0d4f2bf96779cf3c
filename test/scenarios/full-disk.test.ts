import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { STORE_FILE } from '../../server/database/embedded/storage/data-check.ts'
import { createHistory, type Fault } from '../harness/history/history.ts'
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
  // On a page's edge the write is refused whole; elsewhere it is cut short, and only a new process of the database knows what is there.
  const left = [0, 5_000]
  /** All at once, for each waits ten seconds until its hub gives a frame up. */
  let disks: Promise<Outcome>[]
  before(() => {
    disks = left.map(fillDisk)
    // Each is looked at by its own test.
    for (const disk of disks) disk.catch(() => undefined)
  })
  after(() => Promise.allSettled(disks))

  for (const [at, bytes] of left.entries()) {
    it(`[FAULT-8] with ${bytes} bytes left: what is acknowledged stays, the rest is UNAVAILABLE, reads go on, and it recovers when there is space`, async () => {
      const { refused_at, read, ...outcome } = (await disks[at]) as Outcome
      expect(read).to.be.at.least(refused_at)
      expect(outcome).to.deep.equal({ first: [true, true, true], full: 'UNAVAILABLE', recovered: true, faults: [], verified: true })
    })
  }
})

interface Outcome {
  /** Whether the posts before were taken. */
  first: boolean[]
  /** What the post that found no space was told, and how many came before it. */
  full: unknown
  refused_at: number
  /** How many events could be read then. */
  read: number
  recovered: boolean
  faults: Fault[]
  verified: boolean
}

async function fillDisk(bytes_left: number): Promise<Outcome> {
  const data_dir = await mkdtemp(join(tmpdir(), 'parley-full-'))
  const hub = await startHubProcess({ data_dir, port: await freePort() })
  try {
    const { contract_id, requester } = await openContract(hub)
    const history = createHistory()
    const client = await connectAs(hub, requester)
    const post = async (at: number) => {
      const frame = { key: `${at}`, body: `${at} ${BODY}` }
      history.sent(contract_id, requester.id, frame)
      const code = await send(client, contract_id, frame)
      if (typeof code === 'string') history.putOff(contract_id, requester.id, frame.key)
      else history.acked(contract_id, requester.id, { key: frame.key, ...code })
      return code
    }
    const isTaken = async (at: number) => typeof (await post(at)) !== 'string'
    const first = [await isTaken(0), await isTaken(1), await isTaken(2)]
    await limitFiles(hub, (await stat(join(data_dir, 'database', STORE_FILE))).size + bytes_left)

    let refused_at = 3
    let full = await post(refused_at)
    for (; typeof full !== 'string' && refused_at < MOST_POSTS; full = await post(refused_at)) refused_at++
    const read = (await readLog(hub, contract_id)).length

    await limitFiles(hub, 'unlimited')
    const until = performance.now() + LONGEST_WAIT_MS
    while (!(await isTaken(refused_at)) && performance.now() < until) await delay(100)
    const recovered = await isTaken(refused_at + 1)
    client.close()
    history.log(contract_id, await readLog(hub, contract_id))
    const { body } = await api<{ ok: boolean }>(hub, 'GET', `/contracts/${contract_id}/log/verify`, { bearer: hub.operator_token })
    return { first, full, refused_at, read, recovered, faults: history.faults(), verified: body.ok }
  } finally {
    await hub.stop()
    await rm(data_dir, { recursive: true, force: true })
  }
}

/** The hub's too, for a database that is started again has the limits of its hub. */
async function limitFiles({ pid, data_dir }: HubProcess, bytes: number | 'unlimited'): Promise<void> {
  for (const one of [pid, await databasePid(data_dir)]) execFileSync('prlimit', ['--pid', String(one), `--fsize=${bytes}:unlimited`])
}

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
