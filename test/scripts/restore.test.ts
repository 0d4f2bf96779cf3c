import { randomUUID } from 'node:crypto'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { connect, type Room, type RoomEvent } from '../../client/sdk/index.ts'
import { startHub, testDatabase } from '../harness/hub.ts'
import { api, connectAs, openContract, type Person } from '../harness/people.ts'
import { freePort, type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'
import { runProgram } from './run-program.ts'
import { forgetFolders, temporaryFolder } from './temporary-folder.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

describe('a restored backup', () => {
  afterEach(forgetFolders)

  it('[OPS-3] resets every client that names the old epoch, at each restore anew, and the sdk shows what is there now', async () => {
    const folder = temporaryFolder()
    const [data_dir, copy, second] = [join(folder, 'data'), join(folder, 'copy'), join(folder, 'second')]
    const port = await freePort()
    const hub = await startHubProcess({ data_dir, port })
    const { contract_id, requester, provider } = await openContract(hub)
    const sdk = await connect({ url: hub.url, ...requester.auth })
    const room = await sdk.room(contract_id, { since: 1 })
    const told: string[] = []
    const reading = readUntil(room, 'after', told)
    await room.post('kept')
    const made = await run('scripts/backup.ts', [copy, '--data-dir', data_dir])
    expect(made.code, made.said).to.equal(0)
    await cp(copy, second, { recursive: true })
    await room.post('lost')
    await room.post('lost too')
    const old = await epochOf(hub, contract_id)
    expect(await hub.stop()).to.equal(0)

    // Where the sdk does not look, the log grows past its place; then the hub is where it was.
    const elsewhere = await startHubProcess({ data_dir: copy, port: await freePort() })
    await postAs(elsewhere, provider, { contract_id, bodies: ['new 1', 'new 2', 'new 3', 'new 4'] })
    const renewed = await epochOf(elsewhere, contract_id)
    await elsewhere.stop()
    const restored = await startHubProcess({ data_dir: copy, port })
    const bare = await connectAs(restored, requester)
    await bare.must('room.join', { contract_id, since: 4, epoch: old })
    expect(await bare.next('reset')).to.deep.include({ contract_id, epoch: renewed })
    bare.close()
    while (room.place.epoch !== renewed) await changed(room)
    await postAs(restored, provider, { contract_id, bodies: ['after'] })
    await reading
    expect(told).to.deep.equal(['kept', 'lost', 'lost too', `reset ${renewed}`, 'after'])
    const { events } = await room.read({ after: 1 })
    expect(events.map(bodyOf)).to.deep.equal(['kept', 'new 1', 'new 2', 'new 3', 'new 4', 'after'])
    await sdk.close()
    await restored.stop()

    const again = await startHubProcess({ data_dir: second, port: await freePort() })
    const third = await epochOf(again, contract_id)
    await again.stop()
    expect(new Set([old, renewed, third]).size).to.equal(3)
  })

  it('[OPS-3] scripts/new-epoch does the same for a copied directory, once, and not under a running hub', async () => {
    const data_dir = join(temporaryFolder(), 'data')
    const env = { PARLEY_DATA_DIR: data_dir }
    expect((await run('scripts/new-epoch.ts', [], env)).said).to.contain('no embedded database')
    const epochs: string[] = []
    let contract_id: string | undefined
    for (const turn of ['first', 'renewed', 'later']) {
      const hub = await startHubProcess({ data_dir, port: await freePort() })
      contract_id ??= (await openContract(hub)).contract_id
      epochs.push(await epochOf(hub, contract_id))
      if (turn === 'first') expect((await run('scripts/new-epoch.ts', [], env)).said).to.contain('stop it first')
      await hub.stop()
      if (turn === 'first') expect((await run('scripts/new-epoch.ts', [], env)).code).to.equal(0)
    }
    expect(epochs[1]).to.not.equal(epochs[0])
    expect(epochs[2]).to.equal(epochs[1])
  })

  it('[OPS-3] scripts/new-epoch does the same in the database of MONGODB_URI', async () => {
    const database_name = `restored_${randomUUID().slice(0, 8)}`
    const mongodb_uri = await testDatabase()
    const env = { MONGODB_URI: `${mongodb_uri.replace(/\/$/, '')}/${database_name}` }
    expect((await run('scripts/new-epoch.ts', [], env)).said).to.contain('no hub has worked on')
    const data_dir = temporaryFolder()
    const before = await startHub({ like: { mongodb_uri, database_name, data_dir } })
    const { contract_id } = await openContract(before)
    const old = await epochOf(before, contract_id)
    await before.close()
    const { code, said } = await run('scripts/new-epoch.ts', [], env)
    expect(code, said).to.equal(0)
    const after = await startHub({ like: before })
    expect(await epochOf(after, contract_id))
      .to.be.a('string')
      .that.does.not.equal(old)
    await after.close()
  })
})

async function readUntil(room: Room, last: string, told: string[]): Promise<void> {
  for await (const event of room.events()) {
    told.push(event.type === 'room.reset' ? `reset ${event.epoch}` : bodyOf(event))
    if (told.at(-1) === last) return
  }
}

function bodyOf(event: RoomEvent): string {
  return event.type === 'message.posted' ? event.data.body : event.type
}

function changed(room: Room): Promise<void> {
  return new Promise((resolve) => {
    const stop = room.subscribe(() => {
      stop()
      resolve()
    })
  })
}

async function postAs(hub: HubProcess, person: Person, { contract_id, bodies }: { contract_id: string; bodies: string[] }): Promise<void> {
  const client = await connectAs(hub, person)
  for (const body of bodies) await client.must('message.post', { contract_id, key: randomUUID(), body })
  client.close()
}

async function epochOf(hub: Pick<HubProcess, 'url' | 'operator_token'>, contract_id: string): Promise<string> {
  return (await api<{ epoch: string }>(hub, 'GET', `/contracts/${contract_id}`, { bearer: hub.operator_token })).body.epoch
}

async function run(script: string, args: string[], env: Record<string, string> = {}): Promise<{ code: number | null; said: string }> {
  const program = runProgram({ command: process.execPath, args: [script, ...args], cwd: project, env })
  return { code: await program.ended, said: program.said() }
}
