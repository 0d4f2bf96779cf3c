import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { WireEvent } from '../../shared/protocol/index.ts'
import { readLog } from '../harness/history/read-log.ts'
import { connectAs, openContract } from '../harness/people.ts'
import { freePort, startHubProcess } from '../harness/processes/hub-process.ts'

describe('the drain', () => {
  it('[DRAIN-1] a hub that is told to stop answers what it has, sends everyone away to come back, and ends with 0', async () => {
    const data_dir = await mkdtemp(join(tmpdir(), 'parley-drain-'))
    const port = await freePort()
    let hub = await startHubProcess({ data_dir, port })
    try {
      const { contract_id, requester } = await openContract(hub)
      const clients = await Promise.all([1, 2, 3, 4, 5].map(() => connectAs(hub, { auth: { token: hub.operator_token } })))
      for (const client of clients) await client.must('room.join', { contract_id })
      const acked = new Map<string, number>()
      let stopping: Promise<number | null> | undefined
      const writers = clients.map(async (client, writer) => {
        for (let at = 0; client.socket.connected; at++) {
          const key = `${writer} ${at}`
          const answer = await client.ask('message.post', { contract_id, key, body: key }).catch(() => undefined)
          if (answer?.ok) acked.set(key, answer.seq)
          // Stopped in the middle of the load, not after it.
          if (acked.size === 50) stopping ??= hub.stop()
        }
      })
      const closings = await Promise.all(clients.map((client) => client.next('closing')))
      await Promise.all(writers)
      for (const closing of closings) {
        expect(closing.code).to.equal(4001)
        expect(closing.retry_after_ms).to.be.within(0, 1_000)
      }
      expect(await stopping).to.equal(0)

      hub = await startHubProcess({ data_dir, port })
      const log = (await readLog(hub, contract_id)) as (WireEvent & { key: string })[]
      const places = new Map(log.map(({ key, seq }) => [key, seq]))
      expect([...acked].filter(([key, seq]) => places.get(key) !== seq)).to.deep.equal([])
      expect(places.size).to.equal(log.length)
      expect(requester.id).to.be.a('string')
    } finally {
      await hub.stop()
      await rm(data_dir, { recursive: true, force: true })
    }
  })
})
