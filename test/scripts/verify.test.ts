import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startHub, type TestHub } from '../harness/hub.ts'
import { connectAs, openContract } from '../harness/people.ts'
import { runProgram } from './run-program.ts'
import { forgetFolders, temporaryFolder } from './temporary-folder.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
// More than one page of the log.
const MESSAGES = 510
const PLENTY = { frames_per_s: 10_000, frames_burst: 10_000, principal_frames_per_s: 10_000, bytes_per_s: 100_000_000 }

describe('scripts/verify, given an address', () => {
  let hub: TestHub

  before(async () => {
    hub = await startHub({ limits: PLENTY })
  })
  after(async () => {
    await hub.close()
    forgetFolders()
  })

  it('[RULE-15] fetches the whole log, page by page, finds it sound, and saves what it can check again later', async () => {
    const { contract_id, requester } = await openContract(hub)
    const human = await connectAs(hub, requester)
    const post = (_: unknown, at: number) => human.must('message.post', { contract_id, key: `m${at}`, body: `message ${at}` })
    await Promise.all(Array.from({ length: MESSAGES }, post))
    human.close()
    const file = join(temporaryFolder(), 'transcript.json')
    const { body } = await hub.get(`/contracts/${contract_id}/log/verify`, requester.bearer)
    const { chain } = body as { chain: string }
    const sound = { code: 0, said: `ok, head ${MESSAGES + 1}, chain ${chain}\n` }
    expect(await verify([`${hub.url}/contracts/${contract_id}`, '--save', file], requester.bearer)).to.deep.equal(sound)
    expect(JSON.parse(readFileSync(file, 'utf8'))).to.have.property('contract_id', contract_id)
    expect(await verify([file, '--head', String(MESSAGES + 1), '--chain', chain], '')).to.deep.equal(sound)
  })

  it('[RULE-15] says what to do without a token, with a wrong one, for an address that is none, and without a hub', async () => {
    const { contract_id } = await openContract(hub)
    const address = `${hub.url}/contracts/${contract_id}`
    const cases = [
      [await verify([address], ''), 'PARLEY_TOKEN is not set'],
      [await verify([address], 'wrong'), 'the hub answered 401'],
      [await verify([hub.url], hub.operator_token), 'is no contract'],
      [await verify([address.replace(/:\d+/, ':1')], hub.operator_token), 'gives no answer'],
    ] as const
    for (const [{ code, said }, part] of cases) expect({ code, said: said.includes(part) }, said).to.deep.equal({ code: 2, said: true })
  })

  it('[SDK-31] waits until the moment that a refusal for the rate names, as something in front of a hub may', async () => {
    const { contract_id } = await openContract(hub)
    const seconds = Math.ceil(Date.now() / 1_000) + 1
    const arrivals: number[] = []
    const front = createServer(async (request, response) => {
      if (arrivals.push(Date.now()) === 1) {
        response.writeHead(429, { 'retry-after': new Date(seconds * 1_000).toUTCString() }).end()
        return
      }
      const answer = await fetch(hub.url + request.url, { headers: { authorization: request.headers.authorization ?? '' } })
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
    }).listen(0, '127.0.0.1')
    await once(front, 'listening')
    const { port } = front.address() as AddressInfo // it listens on TCP
    const { code, said } = await verify([`http://127.0.0.1:${port}/contracts/${contract_id}`], hub.operator_token)
    expect(code, said).to.equal(0)
    // A timer may be a moment early.
    expect(arrivals[1]).to.be.at.least(seconds * 1_000 - 20)
    front.close()
  })
})

async function verify(args: string[], token: string): Promise<{ code: number | null; said: string }> {
  const env = { PARLEY_TOKEN: token }
  const program = runProgram({ command: process.execPath, args: ['scripts/verify.ts', ...args], cwd: project, env })
  return { code: await program.ended, said: program.said() }
}
