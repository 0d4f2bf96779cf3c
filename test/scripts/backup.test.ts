import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { api, connectAs, openContract } from '../harness/people.ts'
import { freePort, startHubProcess } from '../harness/processes/hub-process.ts'
import { runProgram } from './run-program.ts'
import { forgetFolders, temporaryFolder } from './temporary-folder.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

interface Verified {
  ok: boolean
  head: number
  chain: string
}

describe('scripts/backup', () => {
  afterEach(forgetFolders)

  it('[OPS-1] copies the directory of a hub that runs and writes; a hub on the copy has a whole log, and resets who is ahead of it', async () => {
    const folder = temporaryFolder()
    const [data_dir, copy] = [join(folder, 'data'), join(folder, 'copy')]
    const hub = await startHubProcess({ data_dir, port: await freePort() })
    const { contract_id, requester } = await openContract(hub)
    const human = await connectAs(hub, requester)
    const post = (key: string) => human.must('message.post', { contract_id, key, body: key })
    for (let at = 0; at < 20; at++) await post(`before ${at}`)
    const during = Promise.all(Array.from({ length: 60 }, (_, at) => post(`during ${at}`)))
    expect(await backUp([copy, '--data-dir', data_dir])).to.deep.include({ code: 0 })
    await during
    await post('after')
    human.close()
    const verified = async (from: typeof hub) =>
      (await api<Verified>(from, 'GET', `/contracts/${contract_id}/log/verify`, { bearer: hub.operator_token })).body
    const { head, chain } = await verified(hub)
    await hub.stop()

    expect(statSync(copy).mode & 0o777).to.equal(0o700)
    const restored = await startHubProcess({ data_dir: copy, port: await freePort() })
    const there = await verified(restored)
    expect(there.ok).to.equal(true)
    expect(there.head).to.be.within(21, head - 1)
    const ahead = await connectAs(restored, requester)
    await ahead.must('room.join', { contract_id, since: head, chain })
    expect(await ahead.next('reset')).to.include({ contract_id })
    ahead.close()
    await restored.stop()
  })

  it('[OPS-1] refuses a folder that is there, and a directory without a database', async () => {
    const folder = temporaryFolder({ 'data/database/store.mdb': '' })
    expect(await backUp([folder, '--data-dir', join(folder, 'data')])).to.deep.equal({
      code: 1,
      said: `${folder} is there already; name a folder that is not\n`,
    })
    expect((await backUp([join(folder, 'x'), '--data-dir', folder])).said).to.contain(`no embedded database in ${folder}`)
  })
})

async function backUp(args: string[]): Promise<{ code: number | null; said: string }> {
  const program = runProgram({ command: process.execPath, args: ['scripts/backup.ts', ...args], cwd: project })
  return { code: await program.ended, said: program.said() }
}
