import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { api, type Person, signUp } from '../../../harness/people.ts'
import { useConsole } from '../use-console.ts'

describe('console: agents and their keys', () => {
  const world = useConsole()

  const worksFor = async (api_key: string) => (await world.hub.get('/me', api_key)).status === 200

  /** An owner with an agent, on its page. */
  async function ownedAgent({ name = 'Scribe' } = {}) {
    const owner = await signUp(world.hub, ['requester'], 'Ada')
    const { body } = await api<{ agent_id: string; api_key: string }>(world.hub, 'POST', '/agents', {
      body: { name },
      bearer: owner.bearer,
    })
    const opened = await world.signedIn({ user: owner })
    await opened.page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Agents' }).click()
    await opened.page.getByRole('link', { name }).click()
    await opened.page.getByRole('heading', { name, exact: true }).waitFor()
    await opened.page.locator('.item').first().waitFor()
    return { ...opened, ...body, owner }
  }

  it('[CON-31] a key that is bound by a profile says by what, and does not say that it may all that the agent may', async () => {
    const { page, agent_id, owner, api_key } = await ownedAgent()
    const profile = { allowed_tools: ['weigh'], allowed_agents: [], max_cost_per_task: 2.5, network_access: false }
    await api(world.hub, 'POST', `/agents/${agent_id}/keys`, { body: { name: 'bounded', profile }, bearer: owner.bearer })
    await page.reload()
    const row = page.locator('.item', { hasText: 'bounded' })
    await row.getByText('All that the agent may, within the bounds below.').waitFor()
    expect(await row.locator('dl.bounds > div').allTextContents()).to.have.members([
      ...['Toolsweigh', 'Other agentsnone', 'US dollars a task2.5', 'Networkno'],
    ])
    expect(
      await page
        .locator('.item', { hasText: api_key.slice(-4) })
        .locator('dl')
        .count(),
    ).to.equal(0)
  })

  async function takeKey(page: Page): Promise<string> {
    const key = await page.getByLabel('API key').inputValue()
    await page.getByRole('button', { name: 'Done' }).click()
    return key
  }

  it('[CON-31] one registers an agent and issues it a key of few scopes; each key is shown once, and is nowhere on the page after', async () => {
    const ada = await signUp(world.hub, ['requester'], 'Ada')
    const { page, faults } = await world.signedIn({ user: ada })
    await page.goto(`${world.hub.url}/app/agents`)
    await page.getByText('No agents yet.').waitFor()
    await page.getByRole('button', { name: 'Register…' }).click()
    await page.getByLabel('Name').fill('Quill')
    await page.getByRole('button', { name: 'Register', exact: true }).click()
    const first = await takeKey(page)
    expect(await worksFor(first)).to.equal(true)
    await page.getByRole('link', { name: 'Quill' }).click()
    await page.getByRole('button', { name: 'Issue a key…' }).click()
    await page.getByLabel('Name (optional)').fill('laptop')
    await page.getByLabel('It may do').selectOption('Only some of it')
    await page.getByRole('checkbox', { name: /^web/ }).check()
    await page.getByRole('button', { name: 'Issue', exact: true }).click()
    await page.getByRole('alert').getByText('scopes: the agent lacks can_access_web.').waitFor()
    await page.getByRole('checkbox', { name: /^web/ }).uncheck()
    await page.getByRole('checkbox', { name: /^rooms:read/ }).check()
    await page.getByLabel('It ends').selectOption('After 30 days')
    await page.getByRole('button', { name: 'Issue', exact: true }).click()
    const second = await takeKey(page)
    const row = page.locator('.item', { hasText: 'laptop' })
    await row.getByText('rooms:read. Issued').waitFor()
    await row.getByText('Not used yet').waitFor()
    expect((await world.hub.get('/contracts', second)).status).to.equal(200)
    expect((await world.hub.post('/contracts', {}, second)).status).to.equal(403)
    const content = await page.content()
    for (const key of [first, second]) expect(content).to.not.contain(key)
    expect(faults).to.deep.equal([])
  })

  it('[CON-31] a key is rotated with a grace: both work until then, and the history says who did what and why', async () => {
    const { page, api_key } = await ownedAgent()
    expect(await worksFor(api_key)).to.equal(true)
    await page.getByRole('button', { name: /^Rotate/ }).click()
    await page.getByLabel('The old one ends').selectOption('An hour after the new one is first used')
    await page.getByLabel('Reason (optional)').fill('the yearly round')
    await page.getByRole('button', { name: 'Rotate', exact: true }).click()
    const fresh = await takeKey(page)
    await page.locator('.item', { hasText: 'Being replaced' }).waitFor()
    expect([await worksFor(fresh), await worksFor(api_key)]).to.deep.equal([true, true])
    const old = page.locator('.item', { hasText: 'Being replaced' })
    await old.getByText('History').click()
    const history = old.locator('.key-history')
    await history.getByText('Replaced by a new key by Ada. Reason: the yearly round').waitFor()
    await history.getByText('Issued by Ada').waitFor()
    await history.getByText('First used').waitFor()
    expect(await old.getByRole('button', { name: /^Rotate/ }).count()).to.equal(0)
  })

  it('[CON-31] a key that has leaked is replaced at once; one is revoked after a question, with the reason in its history', async () => {
    const { page, api_key } = await ownedAgent()
    await page.getByRole('button', { name: /^Rotate/ }).click()
    await page.getByLabel('The old one ends').selectOption('At once: it has leaked')
    await page.getByRole('button', { name: 'Rotate', exact: true }).click()
    const fresh = await takeKey(page)
    expect([await worksFor(api_key), await worksFor(fresh)]).to.deep.equal([false, true])
    const revoke = page.getByRole('button', { name: new RegExp(`^Revoke .*…${fresh.slice(-4)}$`) })
    await revoke.click()
    await page.getByRole('button', { name: 'Cancel' }).click()
    expect(await worksFor(fresh)).to.equal(true)
    await revoke.click()
    await page.getByLabel('Reason (optional)').fill('lost with the laptop')
    await page.getByRole('button', { name: 'Revoke', exact: true }).click()
    const row = page.locator('.item', { hasText: 'Revoked' })
    await row.waitFor()
    expect(await worksFor(fresh)).to.equal(false)
    await row.getByText('History').click()
    await row.getByText('Revoked by Ada. Reason: lost with the laptop').waitFor()
  })

  it('[CON-31] a reviewer reads and revokes but issues nothing; a stranger is told that there is nothing', async () => {
    const { agent_id } = await ownedAgent()
    const open = async (user: Person) => {
      const { page } = await world.signedIn({ user })
      await page.goto(`${world.hub.url}/app/agents/${agent_id}`)
      return page
    }
    const page = await open(await signUp(world.hub, ['reviewer'], 'Rea'))
    await page.getByRole('button', { name: /^Revoke/ }).waitFor()
    await page.getByRole('heading', { name: 'Scribe' }).waitFor()
    expect(await page.getByRole('button', { name: /^(Issue|Rotate)/ }).count()).to.equal(0)
    const strange = await open(await signUp(world.hub, ['requester'], 'Sam'))
    await strange.getByText('The keys could not be loaded. Nothing here that you can see.').waitFor()
    expect(await strange.getByRole('button', { name: 'Issue a key…' }).count()).to.equal(0)
  })
})
