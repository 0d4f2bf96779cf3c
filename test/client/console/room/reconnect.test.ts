import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { api, connectAgent, openContract, signUp } from '../../../harness/people.ts'
import { freePort, type HubProcess, startHubProcess } from '../../../harness/processes/hub-process.ts'
import { openRoom, seqsOn, speaker, until, watch } from '../console-world.ts'
import { usePages } from '../use-console.ts'

describe('console: a hub that goes and comes back', function () {
  this.timeout(120_000)
  const pages = usePages()
  let data_dir: string
  let port: number
  let hub: HubProcess

  beforeEach(async () => {
    data_dir = await mkdtemp(join(tmpdir(), 'parley-console-'))
    port = await freePort()
    hub = await startHubProcess({ data_dir, port })
  })
  afterEach(async () => {
    await hub?.stop()
    await rm(data_dir, { recursive: true, force: true })
  })

  async function bodiesOf(contract_id: string): Promise<unknown[]> {
    const path = `/contracts/${contract_id}/events`
    const { body } = await api<{ events: { data: { body?: string } }[] }>(hub, 'GET', path, { bearer: hub.operator_token })
    return body.events.flatMap(({ data }) => data.body ?? [])
  }

  it('[CON-18] the strip tells of a hub that is gone, and the room catches up without loss or double', async () => {
    const ada = await signUp(hub, ['requester'], 'Ada')
    const { contract_id, provider } = await openContract(hub, { requester: ada })
    const agent = await connectAgent(hub, provider)
    await agent.must('room.join', { contract_id })
    const opened = await pages.signedIn(hub)
    const { page } = opened
    // The page's own time goes on as ever, and jumps where it is told to.
    await page.clock.install()
    await openRoom(opened, hub, contract_id)
    const strip = page.locator('.strip')
    await page.locator('.floor').getByText('is working').waitFor()
    const killed_at = Date.now()
    await hub.kill()
    await strip.getByText('Reconnecting…').waitFor()
    // Of an agent that nobody hears of nobody knows whether it works.
    expect(await page.locator('.floor').textContent()).to.equal('No news of agent Scribe')
    expect(await page.locator('.presence .is-here').count()).to.equal(0)
    expect(await page.locator('.list-stale').count()).to.equal(0)
    // Not later than 10 s either, for then it says another thing; a slow machine may take longer to look.
    expect(Date.now() - killed_at).to.be.at.least(1_900)
    await page.getByRole('textbox', { name: 'Message' }).fill('Written while it was gone')
    await page.keyboard.press('Enter')
    await page.locator('.outgoing').getByText('Not sent yet').waitFor()
    await page.clock.fastForward(10_000)
    await strip.getByText(/^\s*Offline since \d\d:\d\d, live data is stale/).waitFor()

    hub = await startHubProcess({ data_dir, port })
    const other = await speaker(hub, ada, contract_id)
    for (let at = 1; at <= 30; at += 1) await other.say(`Missed ${at}`)
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await page.locator('article', { hasText: 'Written while it was gone' }).waitFor()
    await page.locator('.strip-fine').waitFor({ state: 'attached' })
    await page.locator('.presence .is-here').first().waitFor()
    expect(await page.locator('.floor').textContent()).not.to.contain('No news')
    const seqs = await until(
      () => seqsOn(page),
      (seen) => seen.length === 32,
    )
    expect(seqs).to.deep.equal(Array.from({ length: 32 }, (_, at) => at + 1))
    // The page may have come back by itself before the last of them was said.
    const bodies = await bodiesOf(contract_id)
    expect(bodies.filter((body) => body !== 'Written while it was gone')).to.deep.equal(
      Array.from({ length: 30 }, (_, at) => `Missed ${at + 1}`),
    )
    expect(bodies).to.have.length(31)
    expect(await page.locator('.outgoing').count()).to.equal(0)
    expect(opened.faults).to.deep.equal([])
  })

  it('[CON-19] a message that was never acknowledged outlives its page, and is sent once', async () => {
    const { contract_id } = await openContract(hub)
    const opened = await pages.signedIn(hub)
    await openRoom(opened, hub, contract_id)
    await opened.page.locator('.floor').waitFor()
    await hub.kill()
    await opened.page.getByRole('textbox', { name: 'Message' }).fill('Do not lose me')
    await opened.page.keyboard.press('Enter')
    await opened.page.locator('.outgoing').getByText('Do not lose me').waitFor()
    await opened.page.close()

    hub = await startHubProcess({ data_dir, port })
    const later = await watch(opened.context, await opened.context.newPage())
    await openRoom(later, hub, contract_id)
    await later.page.locator('article', { hasText: 'Do not lose me' }).waitFor()
    await later.page.locator('.outgoing').waitFor({ state: 'detached' })
    await later.page.reload()
    await later.page.locator('article', { hasText: 'Do not lose me' }).waitFor()
    expect(await bodiesOf(contract_id)).to.deep.equal(['Do not lose me'])
    expect(later.faults).to.deep.equal([])
  })
})
