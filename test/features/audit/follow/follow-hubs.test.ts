import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { facetsOfAudit } from '../../../../server/core/words/facets.ts'
import type { AuditEventDraft, AuditItem } from '../../../../shared/protocol/index.ts'
import { stepWhile } from '../../../cluster/nodes.ts'
import { createManualClock } from '../../../harness/clock.ts'
import { startHub, type TestHub } from '../../../harness/hub.ts'
import { type Client, connectAs, openContract, registerAgent, signUp } from '../../../harness/people.ts'
import { freePort, startHubProcess } from '../../../harness/processes/hub-process.ts'
import { openDatabaseOf } from '../../../scenarios/stage.ts'
import { followerOn, followTrail, namesOf } from './trail-follower.ts'

const named = (name: string) => (item: AuditItem) => item.metadata['name'] === name
const operatorOf = ({ operator_token }: { operator_token: string }) => ({ auth: { token: operator_token } })

describe('the audit trail, live: over several hubs, kill -9 and a reader that does not read', () => {
  it('[AUDIT-23] without Redis what another hub writes is told too, once: its own stream is looked for, and the rooms', async () => {
    const clock = createManualClock()
    const one = await startHub({ clock })
    const two = await startHub({ clock, like: one })
    const reader = await followTrail(one, operatorOf(one))
    await Promise.all(['Ada', 'Ben', 'Cleo'].map((name, at) => registerAgent(at % 2 === 0 ? two : one, name)))
    const { contract_id } = await openContract(two)
    await stepWhile({ clock, hubs: [one, two] }, 'the other hub is heard', reader.item(named('Cleo')))
    await stepWhile(
      { clock, hubs: [one, two] },
      'the other hub’s room is heard',
      reader.item(({ stream }) => stream === `contract:${contract_id}`),
    )
    await registerAgent(two, 'Dan')
    await stepWhile({ clock, hubs: [one, two] }, 'it is heard again', reader.item(named('Dan')))
    const ids = reader.items().map(({ event_id }) => event_id)
    expect(new Set(ids).size).to.equal(ids.length)
    expect(namesOf(reader.items())).to.include.members(['Ada', 'Ben', 'Cleo', 'Dan'])
    expect(new Set(reader.items().map(({ stream }) => stream))).to.include.members(['audit:1', 'audit:2'])
    // On the other hub it goes on where it was.
    const cursor = reader.cursor()
    reader.close()
    await registerAgent(one, 'Eli')
    const there = await followTrail(two, operatorOf(one), { cursor })
    expect(namesOf(there.items())).to.deep.equal(['Eli'])
    there.close()
    await two.close()
    await one.close()
  })

  it('[AUDIT-20] kill -9 in the middle of it: who comes back with the newest cursor has been told all that was answered, once', async function () {
    this.timeout(180_000)
    const data_dir = await mkdtemp(join(tmpdir(), 'parley-follow-'))
    const port = await freePort()
    const rates = { PARLEY_RATES: JSON.stringify({ register: { q: 1_000_000, w: 60 } }) }
    const hub = await startHubProcess({ data_dir, port, env: rates })
    const first = await followTrail(hub, operatorOf(hub))
    const requester = await signUp(hub)
    const answered: string[] = []
    let isGone = false
    const working = Array.from({ length: 4 }, async () => {
      while (!isGone)
        await openContract(hub, { requester }).then(
          ({ contract_id, provider }) => answered.push(contract_id, provider.id),
          () => {},
        )
    })
    while (answered.length < 60) await new Promise((resolve) => setTimeout(resolve, 20))
    await hub.kill()
    isGone = true
    await Promise.all(working)
    const again = await startHubProcess({ data_dir, port, env: rates })
    const second = await followTrail(again, operatorOf(again), { cursor: first.cursor() })
    await second.item(({ event_type }) => event_type === 'hub.started')
    const told = [...first.items(), ...second.items()]
    const ids = told.map(({ event_id }) => event_id)
    expect(new Set(ids).size).to.equal(ids.length)
    const subjects = told
      .filter(({ event_type }) => /^(agent.registered|contract.opened)$/.test(event_type))
      .map(({ subject }) => subject.id)
    expect(subjects).to.include.members(answered)
    for (const one of [first, second]) one.close()
    expect(await again.stop()).to.equal(0)
    await rm(data_dir, { recursive: true, force: true })
  })

  it('[AUDIT-24] a reader that does not read costs the hub one page, however far the trail goes on, and then gets all of it once', async () => {
    const clock = createManualClock()
    const hub = await startHub({ clock })
    const { cursor, client: closing } = await followTrail(hub, operatorOf(hub)).then(({ ack, client }) => ({ cursor: ack.cursor, client }))
    closing.close()
    await writeStream(hub, 6_000)
    const slow = await connectAs(hub, operatorOf(hub))
    const reader = followerOn(slow, await slow.must('audit.follow', { type: 'user', cursor }))
    tap(slow).pause()
    const witness = await followTrail(hub, operatorOf(hub), { type: 'user', cursor })
    expect(witness.items().length).to.equal(6_000)
    // The hub looks at its queues each second.
    clock.advance(2_000)
    const text = await (await fetch(`${hub.url}/metrics`)).text()
    const queued = Number(/^parley_queued_bytes (\d+)/m.exec(text)?.[1])
    expect(queued).to.be.within(1, 1_000_000)
    tap(slow).resume()
    await reader.item(({ seq }) => seq === 6_000)
    expect(reader.items().map(({ seq }) => seq)).to.deep.equal(Array.from({ length: 6_000 }, (_, at) => at + 1))
    for (const one of [reader, witness]) one.close()
    await hub.close()
  })
})

/** The connection under the socket: stopped, it takes nothing from the kernel any more. */
function tap({ socket }: Client): { pause(): void; resume(): void } {
  return (socket.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } }).ws
}

/** A stream of the trail as another hub would have written it, larger than what the kernel keeps for a connection. */
async function writeStream(hub: TestHub, count: number): Promise<void> {
  const database = await openDatabaseOf(hub)
  const stream = 'audit:9'
  const at = new Date(0)
  await database.collection<{ _id: number }>('audit_streams').insertOne({ _id: 9, owner: 'another', until: at } as never)
  const draft: AuditEventDraft = {
    type: 'user.updated',
    data: {
      ...{ severity: 'security', actor: { type: 'system', id: 'test' }, subject: { type: 'user', id: 'u' } },
      metadata: { name: 'x'.repeat(4_000) },
    },
  }
  const facets = facetsOfAudit(draft)
  for (let from = 1; from <= count; from += 500) {
    const rows = Array.from({ length: 500 }, (_, n) => {
      const seq = from + n
      const json = JSON.stringify({ ...draft, key: `k${seq}`, at: at.toISOString(), seq })
      return {
        _id: `${stream}:${String(seq).padStart(12, '0')}`,
        stream,
        seq,
        key: `k${seq}`,
        by: { id: 'x' },
        at,
        json,
        facets,
        chain: 'c',
      }
    })
    await database.collection<{ _id: string }>('events').insertMany(rows)
  }
  await database.close()
}
