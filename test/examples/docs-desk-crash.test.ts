import { rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { expect } from 'chai'
import type { WireEvent } from '../../shared/protocol/index.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import type { Client } from '../harness/people.ts'
import { freePort, type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'
import { answerTo, ask, countAnswers, endAllDesks, logOf, newFolder, sitDown, startDesk } from './desk-process.ts'
import { DONE, delta, type ModelStandIn, openStream, startModel } from './model-stand-in.ts'

const SENTENCE = 'The lantern keeper climbs the tower at dusk.'
const REPLY = `At dusk. [tower.md:3]`

describe('docs-desk and kill -9', () => {
  /** In this process, but where a test kills it. */
  let stays: TestHub
  let mortal: HubProcess | undefined
  let hub: TestHub | HubProcess
  let model: ModelStandIn
  let folder: string
  let data_dir: string
  let desk: ReturnType<typeof startDesk>
  let contract_id: string
  let human: Client
  /** Answers of the model that stopped in the middle, until `release`. */
  let held: ServerResponse[]

  const env = () => ({ DOCS_DESK_MODEL_URL: model.url, DOCS_DESK_MODEL: 'tiny', DOCS_DESK_QUESTION: 'When does the keeper climb?' })
  const start = () => startDesk(hub, { data_dir, folder, env: env() })

  before(async () => {
    stays = await startHub()
  })
  after(() => stays.close())

  beforeEach(async () => {
    model = await startModel()
    folder = await newFolder()
    data_dir = await newFolder()
    held = []
    await writeFile(join(folder, 'tower.md'), `# Tower\n\n${SENTENCE}\n`)
    model.behave((response) => void openStream(response).end(delta(REPLY) + DONE))
  })

  afterEach(async () => {
    human?.close()
    await endAllDesks()
    await mortal?.stop()
    await model?.close()
    for (const path of [folder, data_dir, ...(mortal === undefined ? [] : [mortal.data_dir])])
      await rm(path, { recursive: true, force: true })
  })

  async function comeIn(to: TestHub | HubProcess): Promise<void> {
    hub = to
    desk = start()
    contract_id = await desk.ready
    human = await sitDown(hub, contract_id)
  }

  /** From now on the model says one word and stops. */
  function hold(): void {
    model.behave((response) => {
      openStream(response).write(delta('At '))
      held.push(response)
    })
  }

  function release(): void {
    model.behave((response) => void openStream(response).end(delta(REPLY) + DONE))
    for (const response of held) response.end(delta('dusk. [tower.md:3]') + DONE)
  }

  async function expectOneAnswerEach(seqs: number[]): Promise<void> {
    for (const seq of seqs) expect(await answerTo(human, contract_id, seq)).to.have.property('body', REPLY)
    const events = await logOf(hub, contract_id)
    const { answers, odd_calls } = countAnswers(events)
    expect([seqs.map((seq) => answers[seq]), odd_calls]).to.deep.equal([seqs.map(() => 1), []])
    expect(Object.values(answers).every((times) => times === 1)).to.equal(true)
    expect(events.filter(({ type }) => type === 'call.abandoned')).to.deep.equal([])
  }

  it('[DESK-10] killed in the middle of an answer, the next process answers each question exactly once', async () => {
    await comeIn(stays)
    const seqs: number[] = []
    for (let round = 1; round <= 3; round += 1) {
      hold()
      seqs.push(await ask(human, contract_id, `When does the keeper climb, in round ${round}?`))
      await human.next('chunk', ({ chunk }) => chunk === 'At ' && model.requests.length > round)
      seqs.push(await ask(human, contract_id, `And in round ${round}, when does the keeper climb again?`))
      await desk.kill('SIGKILL')
      seqs.push(await ask(human, contract_id, `Away in round ${round}: when does the keeper climb?`))
      release()
      held = []
      desk = start()
      expect(await desk.ready).to.equal(contract_id)
      for (const seq of seqs) await answerTo(human, contract_id, seq)
    }
    await expectOneAnswerEach(seqs)
  })

  for (const step of ['call.requested', 'call.started', 'call.succeeded', 'message.posted']) {
    it(`[DESK-10] killed right after ${step}, the next process takes no step twice`, async () => {
      await comeIn(stays)
      const seqs: number[] = []
      for (let round = 1; round <= 2; round += 1) {
        const seq = await ask(human, contract_id, `When does the keeper climb, in round ${round}?`)
        seqs.push(seq)
        const isOwn = (event: WireEvent) => event.seq > seq && 'by' in event && event.by.kind !== 'user'
        await human.event(contract_id, step, isOwn)
        await desk.kill('SIGKILL')
        seqs.push(await ask(human, contract_id, `Away in round ${round}: when does the keeper climb?`))
        desk = start()
        expect(await desk.ready).to.equal(contract_id)
        for (const asked of seqs) await answerTo(human, contract_id, asked)
      }
      await expectOneAnswerEach(seqs)
    })
  }

  it('[DESK-10] away for so long that the hub gave the call up, it calls once more', async () => {
    const impatient = await startHub({ limits: { abandon_after_ms: 50 } })
    const settings = { data_dir: await newFolder(), folder, env: env() }
    const first = startDesk(impatient, settings)
    const contract = await first.ready
    const client = await sitDown(impatient, contract)
    hold()
    const seq = await ask(client, contract, 'When does the keeper climb?')
    await client.next('chunk', ({ chunk }) => chunk === 'At ')
    await first.kill('SIGKILL')
    await client.event(contract, 'call.abandoned')
    release()
    const second = startDesk(impatient, settings)
    expect((await answerTo(client, contract, seq)).body).to.equal(REPLY)
    const { answers, odd_calls } = countAnswers(await logOf(impatient, contract))
    expect([answers[seq], odd_calls]).to.deep.equal([1, []])
    client.close()
    await second.kill('SIGTERM')
    await impatient.close()
    await rm(settings.data_dir, { recursive: true })
  })

  it('[DESK-11] the hub killed in the middle of an answer and started again, the same process answers each question exactly once', async () => {
    const [hub_dir, port] = [await newFolder(), await freePort()]
    mortal = await startHubProcess({ data_dir: hub_dir, port })
    await comeIn(mortal)
    const seqs: number[] = []
    for (let round = 1; round <= 3; round += 1) {
      hold()
      seqs.push(await ask(human, contract_id, `When does the keeper climb, in round ${round}?`))
      await human.next('chunk', ({ chunk }) => chunk === 'At ' && model.requests.length > round)
      seqs.push(await ask(human, contract_id, `And in round ${round}, when does the keeper climb again?`))
      await mortal.kill()
      human.close()
      release()
      held = []
      mortal = await startHubProcess({ data_dir: hub_dir, port })
      hub = mortal
      human = await sitDown(hub, contract_id)
      for (const seq of seqs) await answerTo(human, contract_id, seq)
    }
    await expectOneAnswerEach(seqs)
    expect(desk.log.filter(({ level }) => level === 'error')).to.deep.equal([])
  })
})
