import { readFile } from 'node:fs/promises'
import { AxeBuilder } from '@axe-core/playwright'
import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { api, registerAgent, signUp } from '../../harness/people.ts'
import { until } from './console-world.ts'
import { useConsole } from './use-console.ts'

const SHOTS = process.env['PARLEY_SHOTS']

describe('console: the audit trail', () => {
  const world = useConsole()
  const rows = (page: Page) => page.locator('.audit-item')

  it('[CON-43] staff search the trail by what its route takes; the filters stand in the address, and a link brings them', async () => {
    const { id } = await registerAgent(world.hub, 'Quill')
    const { page, faults } = await world.signedIn({ user: await signUp(world.hub, ['reviewer'], 'Rea') })
    await page.getByRole('link', { name: 'Audit' }).click()
    await rows(page).first().waitFor()
    await page.getByLabel('Type, or its family').fill('agent.registered')
    await page.getByText('More filters').click()
    await page.getByLabel('Agent id').fill(id)
    await page.getByRole('button', { name: 'Search' }).click()
    await page.waitForURL(`**/app/audit?type=agent.registered&agent_id=${id}`)
    await until(
      () => rows(page).count(),
      (count) => count === 1,
    )
    await rows(page).getByText('All of it').click()
    await rows(page).locator('.audit-json').getByText('"name": "Quill"').waitFor()
    await page.reload()
    await until(
      () => rows(page).count(),
      (count) => count === 1,
    )
    expect(await page.getByLabel('Agent id').inputValue()).to.equal(id)
    await page.getByLabel('Words').fill('…')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.getByText('The trail could not be loaded.').waitFor()
    await page.getByRole('link', { name: 'Clear' }).click()
    await rows(page).nth(3).waitFor()
    expect(faults).to.deep.equal([])
  })

  it('[CON-44] live, what is added by the filters appears by itself and once; a cut loses nothing; off, nothing comes', async () => {
    const { page } = await world.signedIn({ user: await signUp(world.hub, ['reviewer'], 'Rea') })
    await page.goto(`${world.hub.url}/app/audit?type=agent.registered`)
    await page.getByRole('button', { name: 'Live' }).click()
    await page.getByText('Live: what is added appears here by itself.').waitFor()
    const add = async (name: string) => (await registerAgent(world.hub, name)).id
    const shown = (id: string) => rows(page).filter({ hasText: id.slice(-6) })
    // What is told before it has begun is in the list that is read then.
    const first = await add('One')
    await shown(first).waitFor()
    await page.context().setOffline(true)
    const away = await add('While it is away')
    await page.context().setOffline(false)
    await shown(away).waitFor()
    const last = await add('Last')
    await shown(last).waitFor()
    for (const id of [first, away, last]) expect(await shown(id).count()).to.equal(1)
    await page.getByRole('button', { name: 'Live' }).click()
    await page.getByText(/^Live:/).waitFor({ state: 'detached' })
    expect(await page.getByRole('button', { name: 'Live' }).getAttribute('aria-pressed')).to.equal('false')
  })

  it('[CON-44] who searches anew before the hub has begun to tell sees what was asked for last', async () => {
    const { page } = await world.signedIn({ user: await signUp(world.hub, ['reviewer'], 'Rea') })
    await page.routeWebSocket(/socket\.io/, (socket) => {
      const server = socket.connectToServer()
      socket.onMessage((frame) => (String(frame).includes('"audit.follow"') ? undefined : server.send(frame)))
    })
    await registerAgent(world.hub, 'Quill')
    await page.goto(`${world.hub.url}/app/audit?type=agent.registered`)
    await rows(page).first().waitFor()
    await page.getByRole('button', { name: 'Live' }).click()
    await page.getByText('Live: what is added appears here by itself.').waitFor()
    await page.getByLabel('Type, or its family').fill('user.signed_in')
    await page.getByRole('button', { name: 'Search' }).click()
    await until(
      async () => [...new Set(await rows(page).locator('.item-title code').allTextContents())],
      (types) => types.length === 1 && types[0] === 'user.signed_in',
    )
  })

  it('[CON-45] staff take the whole trail with them as lines of JSON; an owner sees what concerns their agent, and others that it is not theirs', async () => {
    const { page } = await world.signedIn({ user: await signUp(world.hub, ['reviewer'], 'Rea') })
    await page.goto(`${world.hub.url}/app/audit`)
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export' }).click()])
    const lines = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line)).length).to.be.greaterThan(3)
    const owner = await signUp(world.hub, ['requester'], 'Ada')
    const { body } = await api<{ agent_id: string }>(world.hub, 'POST', '/agents', { body: { name: 'Mine' }, bearer: owner.bearer })
    const own = (await world.signedIn({ user: owner })).page
    expect(await own.getByRole('link', { name: 'Audit' }).count()).to.equal(0)
    await own.goto(`${world.hub.url}/app/agents/${body.agent_id}`)
    await own.getByRole('link', { name: 'What the audit trail says of it' }).click()
    await rows(own).getByRole('link', { name: 'agent.registered' }).waitFor()
    expect(await own.getByRole('link', { name: 'Export' }).count()).to.equal(0)
    await own.goto(`${world.hub.url}/app/audit`)
    await own.getByText('name one of your agents; only staff read all').waitFor()
    await own.goto(`${world.hub.url}/app/people`)
    // In words for a person, not by the fields of the answer.
    await own.getByText('It takes one of these roles: admin.').waitFor()
  })

  it('[CON-46] the page has no fault that axe finds, wide and narrow, in light and dark', async () => {
    const { page } = await world.signedIn({ user: await signUp(world.hub, ['reviewer'], 'Rea') })
    await page.goto(`${world.hub.url}/app/audit`)
    await rows(page).first().waitFor()
    await page.getByRole('button', { name: 'Live' }).click()
    await registerAgent(world.hub, 'Fresh')
    await rows(page).first().getByText('All of it').click()
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 })
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        if (SHOTS !== undefined) await page.screenshot({ path: `${SHOTS}/audit-${width}-${colorScheme}.png` })
        const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
        const { violations } = await new AxeBuilder({ page }).setLegacyMode().withTags(tags).analyze()
        expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).to.deep.equal([])
        expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).to.equal(true)
      }
    }
  })
})
