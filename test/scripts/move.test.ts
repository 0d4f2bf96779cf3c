import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { testDatabase } from '../harness/hub.ts'
import { api, connectAs, openContract } from '../harness/people.ts'
import { freePort, type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'
import { runProgram } from './run-program.ts'
import { forgetFolders, temporaryFolder } from './temporary-folder.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

describe('scripts/move', () => {
  afterEach(forgetFolders)

  it('[OPS-2] moves a stopped hub to the server of MONGODB_URI, where it goes on; refuses a running one and a target that holds something', async () => {
    const data_dir = join(temporaryFolder(), 'data')
    const target = `${(await testDatabase()).replace(/\/$/, '')}/moved_${randomUUID().slice(0, 8)}`
    const before = await startHubProcess({ data_dir, port: await freePort() })
    const { contract_id, requester } = await openContract(before)
    const human = await connectAs(before, requester)
    for (let at = 0; at < 5; at++) await human.must('message.post', { contract_id, key: `${at}`, body: `message ${at}` })
    human.close()
    const log = await logOf(before, contract_id)
    expect((await move({ data_dir, target })).said).to.contain('stop it first')
    await before.stop()

    const moved = await move({ data_dir, target })
    expect(moved.code, moved.said).to.equal(0)
    expect(moved.said).to.contain('contracts: 1').and.to.contain(data_dir)
    expect((await move({ data_dir, target })).said).to.contain('name an empty one')
    const after = await startHubProcess({ data_dir, port: await freePort(), env: { MONGODB_URI: target } })
    expect(await logOf(after, contract_id)).to.deep.equal(log)
    const again = await connectAs(after, requester)
    expect(await again.must('message.post', { contract_id, key: '4', body: 'message 4' })).to.include({ duplicate: true })
    expect(await again.must('message.post', { contract_id, key: '5', body: 'message 5' })).to.include({ seq: 7 })
    again.close()
    await after.stop()

    const behind = await startHubProcess({ data_dir, port: await freePort() })
    const [was, is] = [log, await logOf(behind, contract_id)].map(([, page]) => page as { epoch: string; events: unknown })
    expect(is?.events).to.deep.equal(was?.events)
    expect(is?.epoch).to.be.a('string').that.does.not.equal(was?.epoch)
    await behind.stop()
  })
})

async function logOf(hub: HubProcess, contract_id: string): Promise<unknown[]> {
  const bearer = hub.operator_token
  const verified = await api(hub, 'GET', `/contracts/${contract_id}/log/verify`, { bearer })
  // How far it is signed changes when a hub ends.
  const { checkpoint: _checkpoint, ...log } = verified.body as Record<string, unknown>
  return [log, (await api(hub, 'GET', `/contracts/${contract_id}/events`, { bearer })).body]
}

async function move({ data_dir, target }: { data_dir: string; target: string }): Promise<{ code: number | null; said: string }> {
  const env = { PARLEY_DATA_DIR: data_dir, MONGODB_URI: target }
  const program = runProgram({ command: process.execPath, args: ['scripts/move.ts'], cwd: project, env })
  return { code: await program.ended, said: program.said() }
}
