import { AxeBuilder } from '@axe-core/playwright'
import { expect } from 'chai'
import { api, connectAgent, openContract, type Person, signUp } from '../../../harness/people.ts'
import { openRoom, type Watched } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

const SHOTS = process.env['PARLEY_SHOTS']
const tool = { name: 'weigh', description: 'Weighs', input_schema: { type: 'object' } }

describe('console: the permissions of a room', () => {
  const world = useConsole()

  let contract_id: string
  let requester: Person
  let owner: Person
  let say: (key: string, more?: object) => Promise<unknown>
  const closers: (() => unknown)[] = []

  /** A room whose agent has an owner and a bound key. */
  before(async () => {
    const { hub } = world
    const opened = await openContract(hub)
    const agent = opened.provider
    ;({ contract_id, requester } = opened)
    owner = await signUp(hub, ['provider'], 'Olga')
    await api(hub, 'POST', `/agents/${agent.id}/claim`, { body: { api_key: agent.bearer }, bearer: owner.bearer })
    const profile = { allowed_tools: ['weigh', 'measure'], max_cost_per_task: 2.5, network_access: false, allowed_agents: [agent.id] }
    await api(hub, 'POST', `/agents/${agent.id}/keys`, { body: { profile }, bearer: owner.bearer })
    const client = await connectAgent(hub, agent, [tool])
    closers.push(client.close)
    say = (key, more = {}) => client.askRaw('message.post', { contract_id, key, body: key, ...more })
  })
  after(async () => {
    for (const close of closers) await close()
  })

  async function openPanel(user: Person): Promise<Watched> {
    const opened = await world.signedIn({ user })
    await openRoom(opened, world.hub, contract_id)
    await opened.page.getByRole('button', { name: 'Permissions' }).click()
    await opened.page.getByRole('heading', { name: 'Keys of the agent' }).waitFor()
    return opened
  }

  const flag = ({ page }: Watched, name: string) => page.locator('.permissions .flag', { hasText: name })

  it('[CON-40] both parties see in the room what the agent may do, by whom, what used it and what was refused, as it changes', async () => {
    const [asker, provider] = await Promise.all([openPanel(requester), openPanel(owner)])
    const both = [asker, provider]
    for (const one of both) await flag(one, 'Message the requester').getByText('Never used here').waitFor()
    await say('hello')
    await say('see this', { evidence: ['019a0000-0000-7000-8000-000000000001'] })
    for (const one of both) {
      await flag(one, 'Message the requester').getByText('Last used').waitFor()
      const attachments = flag(one, 'Read attachments')
      await attachments.getByText('Refused once').waitFor()
      await attachments.getByText('the contract does not allow it (can_read_attachments)').waitFor()
      await attachments.getByText('Not allowed', { exact: true }).waitFor()
      await one.page.locator('[role=feed]').getByText('was refused message.post').waitFor()
      const key = flag(one, 'US dollars a task')
      await key.getByText('weigh, measure').waitFor()
      expect(await key.locator('.bounds').textContent()).to.include('Other agents1')
    }
    await asker.page.reload()
    await asker.page.getByRole('button', { name: 'Permissions' }).click()
    await flag(asker, 'Read attachments').getByText('Refused once').waitFor()
    await flag(asker, 'Message the requester').getByText('Last used').waitFor()
  })

  it('[CON-41] who may change a permission changes it there, the contract’s or the agent’s, and the other sees it; nobody sees a control for what is not theirs', async () => {
    const [asker, provider] = await Promise.all([openPanel(requester), openPanel(owner)])
    const controls = ({ page }: Watched) =>
      page.locator('.flag-side button').evaluateAll((all) => all.map((one) => one.getAttribute('aria-label')?.replace(/:.*/, '')))
    expect(new Set(await controls(asker))).to.deep.equal(new Set(['Allow it by the contract', 'Forbid it by the contract']))
    expect(new Set(await controls(provider))).to.deep.equal(new Set(['Allow it by the agent', 'Forbid it by the agent']))
    await asker.page.getByRole('button', { name: 'Allow it by the contract: Use the web' }).click()
    for (const one of [asker, provider]) await flag(one, 'Use the web').getByText('Contract: allowed (Ada').waitFor()
    await provider.page.getByRole('button', { name: 'Allow it by the agent: Use the web' }).click()
    for (const one of [asker, provider]) {
      await flag(one, 'Use the web').getByText('Allowed', { exact: true }).waitFor()
      await flag(one, 'Use the web').getByText('Agent: allowed').waitFor()
    }
    expect([asker.faults, provider.faults]).to.deep.equal([[], []])
  })

  it('[CON-42] the panel is accessible, wide and narrow, in light and dark, and closes by Escape to where it was opened', async () => {
    const { page } = await openPanel(requester)
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 })
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        if (SHOTS !== undefined) await page.screenshot({ path: `${SHOTS}/permissions-${width}-${colorScheme}.png` })
        const { violations } = await new AxeBuilder({ page })
          .setLegacyMode()
          .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
          .analyze()
        expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).to.deep.equal([])
        expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).to.equal(true)
      }
    }
    await page.locator('#permissions-title').focus()
    await page.keyboard.press('Escape')
    await page.locator('.permissions').waitFor({ state: 'detached' })
    expect(await page.evaluate(() => document.activeElement?.id)).to.equal('show-permissions')
  })
})
