import { expect } from 'chai'
import type { Push } from '../../shared/protocol/index.ts'
import { type Client, connectAs } from '../harness/people.ts'
import { freePort, type HubProcess } from '../harness/processes/hub-process.ts'
import { until } from '../scenarios/stage.ts'
import { type Nodes, startNodeProcess, startNodes, stepUntil, troublesOf } from './nodes.ts'

type Told = Push<'presence'>

describe('presence on several nodes', () => {
  let nodes: Nodes
  let watcher: Client
  let dying: HubProcess | undefined

  beforeEach(async () => {
    nodes = await startNodes()
    watcher = await nodes.join(nodes.staff, 0)
  })

  afterEach(async () => {
    await dying?.kill()
    dying = undefined
    await nodes.close()
  })

  const told = (client: Client) => client.told.flatMap(({ type, payload }) => (type === 'presence' ? [payload as Told] : []))
  const joinsOf = (client: Client, id: string) => told(client).filter(({ joined }) => joined?.some((member) => member.id === id)).length
  const leavesOf = (client: Client, id: string) => told(client).filter(({ left }) => left?.includes(id)).length

  /** Deltas are gathered for a moment of the clock that stands. */
  async function isTold(what: string, holds: () => boolean): Promise<void> {
    await stepUntil(nodes, what, holds, 50)
  }

  /** Which of the parties a newcomer to the node is shown. */
  async function membersSeenOn(at: number): Promise<string[]> {
    const client = await connectAs(nodes.hub(at), nodes.staff)
    const { view } = await client.must('room.join', { contract_id: nodes.contract_id })
    client.close()
    const parties = [nodes.requester.id, nodes.provider.id]
    return view.members.filter(({ connected, id }) => connected && parties.includes(id)).map(({ id }) => id)
  }

  it('[NODE-24] who sits on one node is in the snapshot of another, and each delta has the next version', async () => {
    const { requester, provider } = nodes
    const first = await connectAs(nodes.hub(1), requester)
    await first.must('room.join', { contract_id: nodes.contract_id })
    await isTold('the join was told', () => joinsOf(watcher, requester.id) === 1)
    const second = await connectAs(nodes.hub(0), provider)
    await second.must('room.join', { contract_id: nodes.contract_id })
    await isTold('the join was told on both', () => joinsOf(watcher, provider.id) === 1 && joinsOf(first, provider.id) === 1)
    expect((await membersSeenOn(1)).toSorted()).to.deep.equal([requester.id, provider.id].toSorted())
    await first.must('typing', { contract_id: nodes.contract_id })
    await isTold('typing was told', () => told(second).some(({ changed }) => changed?.some((one) => one.id === requester.id && one.typing)))
    await isTold('it ended', () => told(second).some(({ changed }) => changed?.some((one) => one.id === requester.id && !one.typing)))
    await first.must('room.leave', { contract_id: nodes.contract_id })
    await isTold('the leave was told', () => leavesOf(watcher, requester.id) === 1 && leavesOf(second, requester.id) === 1)
    const versions = told(watcher).map(({ version }) => version)
    expect(versions).to.deep.equal(versions.map((_, at) => (versions[0] ?? 0) + at))
    expect(await membersSeenOn(1)).to.deep.equal([provider.id])
    expect(troublesOf(nodes)).to.deep.equal([])
    first.close()
    second.close()
  })

  it('[NODE-25] a reconnect to another node within the grace is no coming and going', async () => {
    const { requester } = nodes
    const first = await nodes.join(requester, 1)
    await isTold('the join was told', () => joinsOf(watcher, requester.id) === 1)
    first.socket.io.engine.close()
    await nodes.join(requester, 0)
    nodes.clock.advance(20_000)
    const last = await nodes.join(nodes.provider, 1)
    await isTold('what came after was told', () => joinsOf(watcher, nodes.provider.id) === 1)
    last.close()
    expect([joinsOf(watcher, requester.id), leavesOf(watcher, requester.id)]).to.deep.equal([1, 0])
  })

  it('[NODE-26] when a node closes, its members have the grace to come back on another', async () => {
    const { requester, provider } = nodes
    await nodes.add()
    await nodes.join(requester, 2)
    await nodes.join(provider, 2)
    await isTold('the joins were told', () => joinsOf(watcher, requester.id) === 1 && joinsOf(watcher, provider.id) === 1)
    await nodes.hubs.pop()?.close()
    await nodes.join(requester, 1)
    await stepUntil(nodes, 'the other one has left', () => leavesOf(watcher, provider.id) === 1)
    expect([joinsOf(watcher, requester.id), leavesOf(watcher, requester.id)]).to.deep.equal([1, 0])
  })

  it('[NODE-27] when Redis is emptied, all who are there are told again, and nobody for good', async () => {
    const { requester } = nodes
    await nodes.join(requester, 1)
    await isTold('the join was told', () => joinsOf(watcher, requester.id) === 1)
    const before = told(watcher).length
    const last = Math.max(...told(watcher).map(({ version }) => version))
    await nodes.redis.ask('FLUSHALL')
    expect(await membersSeenOn(0)).to.deep.equal([])
    await stepUntil(nodes, 'they were told again', () => joinsOf(watcher, requester.id) === 2)
    expect(await membersSeenOn(0)).to.deep.equal([requester.id])
    // A version that Redis forgot never comes a second time.
    expect(
      Math.min(
        ...told(watcher)
          .slice(before)
          .map(({ version }) => version),
      ),
    ).to.be.above(last)
    expect(leavesOf(watcher, requester.id)).to.equal(0)
  })

  it('[NODE-28] without Redis a node shows who sits on it, and both show all when it is back', async () => {
    const { requester, provider } = nodes
    await nodes.join(requester, 1)
    await nodes.redis.kill()
    await nodes.join(provider, 0)
    expect(await membersSeenOn(0)).to.deep.equal([provider.id])
    expect(await membersSeenOn(1)).to.deep.equal([requester.id])
    await nodes.redis.start()
    await until('all are seen', async () => (await membersSeenOn(0)).length === 2 && (await membersSeenOn(1)).length === 2)
  })

  it('[NODE-29] the members of a node that was killed are gone when their leases are over, also for who comes first after it', async () => {
    const { requester } = nodes
    dying = await startNodeProcess(nodes, await freePort())
    const client = await connectAs(dying, requester)
    await client.must('room.join', { contract_id: nodes.contract_id })
    // It has a clock of its own, and that one goes.
    await watcher.next('presence', ({ joined }) => joined?.some(({ id }) => id === requester.id) ?? false)
    await dying.kill()
    expect(await membersSeenOn(1)).to.deep.equal([requester.id])
    nodes.clock.advance(29_000)
    expect(leavesOf(watcher, requester.id)).to.equal(0)
    await stepUntil(nodes, 'it has left', () => leavesOf(watcher, requester.id) === 1)
    expect(await membersSeenOn(1)).to.deep.equal([])
    client.close()
  })
})
