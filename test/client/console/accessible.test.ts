import { randomUUID } from 'node:crypto'
import AxeBuilder from '@axe-core/playwright'
import { expect } from 'chai'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { api, connectAgent, openContract, type Person, registerAgent, signUp } from '../../harness/people.ts'
import { openRoom, operatorOf, signInLink, speaker } from './console-world.ts'
import { useConsole } from './use-console.ts'

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
const looks: Record<string, BrowserContextOptions> = {
  wide: {},
  dark: { colorScheme: 'dark' },
  narrow: { viewport: { width: 360, height: 740 } },
  'narrow and dark': { viewport: { width: 360, height: 740 }, colorScheme: 'dark' },
  'forced colours': { forcedColors: 'active' },
}

async function violationsOf(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().withTags(TAGS).analyze()
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`))
}

describe('console: for everyone', () => {
  const world = useConsole()
  let contract_id: string
  let another: Person

  before(async () => {
    const [ada, provider] = [await signUp(world.hub, ['requester'], 'Ada'), await registerAgent(world.hub, 'Scribe')]
    ;({ contract_id } = await openContract(world.hub, { requester: ada, provider }))
    await openContract(world.hub, { requester: ada, provider })
    another = ada
    const agent = await connectAgent(world.hub, provider, [{ name: 'search', description: 'Finds', input_schema: true }])
    agent.socket.on('core.tool.call', (_call, ack) => ack({}))
    const [operator, requester, scribe] = [
      await speaker(world.hub, await operatorOf(world.hub), contract_id),
      await speaker(world.hub, ada, contract_id),
      await speaker(world.hub, provider, contract_id),
    ]
    await requester.say('Please sort the archive')
    await scribe.say('I begin with the text files')
    await scribe.say('and go on with the scans:\n\n| scan | pages |   |\n| :-- | --: | :-: |\n| `a` | 12 | **x** |')
    await operator.say('Two pages are missing', 'staff')
    await operator.say(`Long ${'words and lines\n'.repeat(60)}`)
    const done = await operator.must('tool.call', { contract_id, key: 'done', tool: 'search', input: { words: ['a'] } })
    await agent.must('agent.tool.result', { call_id: done.call_id, status: 'succeeded', output: { found: 2 } })
    await operator.must('tool.call', { contract_id, key: 'unknown', tool: 'unknown', input: {} })
    const running = await operator.must('tool.call', {
      ...{ contract_id, key: 'run', tool: 'search', input: { words: ['b'] } },
      // Longer than all looks take on a slow machine.
      timeout_ms: 3_600_000,
    })
    await agent.must('agent.tool.stream', { call_id: running.call_id, seq: 1, chunk: 'reading …\n' })
  })

  for (const [look, options] of Object.entries(looks)) {
    it(`[CON-21] list, room, search and dialog have no fault that axe finds (${look})`, async () => {
      const opened = await world.signedIn(options)
      const { page } = opened
      await page.locator('.list-row').first().waitFor()
      expect(await violationsOf(page), 'list').to.deep.equal([])
      await openRoom(opened, world.hub, contract_id)
      await page.getByText('reading …').waitFor()
      expect(await violationsOf(page), 'room').to.deep.equal([])
      await page.getByRole('checkbox', { name: /Note/ }).check()
      await page.getByRole('textbox', { name: 'Note' }).fill('a note')
      await page.getByRole('button', { name: 'Search', exact: true }).click()
      await page.getByRole('searchbox').fill('archive')
      await page.locator('.search-results li').first().waitFor()
      expect(await violationsOf(page), 'search').to.deep.equal([])
      await page.getByRole('button', { name: 'End contract…' }).click()
      expect(await violationsOf(page), 'dialog').to.deep.equal([])
      await page.keyboard.press('Escape')
      await page.goto(`${world.hub.url}/app/rooms/01890a5d-ac96-774b-bcce-b302099a8057`)
      await page.getByRole('heading', { name: 'No such room' }).waitFor()
      expect(await violationsOf(page), 'no such room').to.deep.equal([])
    })

    it(`[CON-21] the questions before signing out, and before another takes the place, have no fault that axe finds (${look})`, async () => {
      const opened = await world.signedIn(options)
      const { page } = opened
      await openRoom(opened, world.hub, contract_id)
      await page.getByRole('textbox', { name: 'Message' }).fill('half a sent')
      await page.goto(`${world.hub.url}/app/account`)
      await page.getByRole('main').getByRole('button', { name: 'Sign out', exact: true }).click()
      await page.getByRole('button', { name: 'Sign out and remove' }).waitFor()
      expect(await violationsOf(page), 'sign-out').to.deep.equal([])
      await page.goto(await signInLink(world.hub, another))
      await page.getByRole('button', { name: 'Sign in as Ada instead' }).waitFor()
      expect(await violationsOf(page), 'another takes the place').to.deep.equal([])
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).to.equal(true)
    })

    it(`[CON-21] sign-in has no fault that axe finds (${look})`, async () => {
      const { page } = await world.openPage(options)
      await page.goto(`${world.hub.url}/app/rooms`)
      await page.getByRole('heading', { name: 'Sign in' }).waitFor()
      expect(await violationsOf(page), 'signed out').to.deep.equal([])
      await page.goto(`${world.hub.url}/app/sign-in#token=spent`)
      await page.getByRole('heading', { name: 'This link no longer works' }).waitFor()
      expect(await violationsOf(page), 'spent').to.deep.equal([])
    })

    it(`[CON-21] the forms for passwords have no fault that axe finds (${look})`, async () => {
      const { page } = await world.openPage(options)
      await page.goto(`${world.hub.url}/app/sign-in`)
      await page.getByLabel('E-mail address').fill('nobody@example.org')
      await page.getByLabel('Password', { exact: true }).fill('wrong')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('alert').getByText('There is no user').waitFor()
      expect(await violationsOf(page), 'wrong password').to.deep.equal([])
      const invitation = { email: `${randomUUID()}@example.org`, name: 'Bea', roles: ['requester'] }
      const { body } = await api<{ url: string }>(world.hub, 'POST', '/invitations', { body: invitation, bearer: world.hub.operator_token })
      await page.goto(body.url)
      await page.getByRole('heading', { name: 'Welcome, Bea' }).waitFor()
      await page.getByLabel('Password', { exact: true }).fill('short')
      await page.keyboard.press('Enter')
      await page.getByRole('alert').getByText('at least 10').waitFor()
      expect(await violationsOf(page), 'invitation').to.deep.equal([])
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out').to.equal(true)
      await page.goto(`${world.hub.url}/app/password-reset`)
      await page.getByRole('heading', { name: 'Forgot your password?' }).waitFor()
      expect(await violationsOf(page), 'forgot').to.deep.equal([])
      await page.goto(`${world.hub.url}/app/password-reset#token=spent`)
      await page.getByRole('heading', { name: 'This link no longer works' }).waitFor()
      expect(await violationsOf(page), 'spent reset').to.deep.equal([])
    })
  }

  // Half of the looks hold each of width and colours once.
  for (const look of ['wide', 'narrow and dark', 'forced colours']) {
    it(`[CON-21] account, people, agents and their dialogs have no fault that axe finds (${look})`, async () => {
      const { page } = await world.signedIn(looks[look])
      const lookAt = async (path: string, what: string) => {
        await page.goto(`${world.hub.url}/app/${path}`)
        await page.locator('.item').first().waitFor()
        expect(await violationsOf(page), what).to.deep.equal([])
        expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what}: nothing sticks out`).to.equal(true)
      }
      await lookAt('account', 'account')
      await lookAt('people', 'people')
      await page.getByRole('button', { name: 'Invite…', exact: true }).click()
      expect(await violationsOf(page), 'invite').to.deep.equal([])
      await page.keyboard.press('Escape')
      await lookAt('agents', 'agents')
      await page.locator('.item', { hasText: 'Scribe' }).first().click()
      await page.getByRole('button', { name: 'Issue a key…' }).click()
      await page.getByLabel('It may do').selectOption('Only some of it')
      expect(await violationsOf(page), 'issue a key').to.deep.equal([])
      await page.getByRole('button', { name: 'Issue', exact: true }).click()
      await page.getByRole('alert').getByText('scopes:').waitFor()
      expect(await violationsOf(page), 'refused').to.deep.equal([])
      await page.getByRole('checkbox', { name: /^tools/ }).check()
      await page.getByRole('button', { name: 'Issue', exact: true }).click()
      await page.getByLabel('API key').waitFor()
      expect(await violationsOf(page), 'shown once').to.deep.equal([])
      await page.getByRole('button', { name: 'Done' }).click()
      await page.getByText('History').first().click()
      await page.locator('.key-history li').first().waitFor()
      expect(await violationsOf(page), 'keys').to.deep.equal([])
      // At most five keys: the next look issues one too.
      await page
        .getByRole('button', { name: /^Revoke/ })
        .first()
        .click()
      await page.getByRole('button', { name: 'Revoke', exact: true }).click()
      await page.getByText('The key is revoked.').waitFor()
    })
  }

  it('[CON-22] news are told by a log of short sentences, and one hears nothing of old pages or of oneself', async () => {
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page } = opened
    const log = page.getByRole('log')
    await page.getByRole('textbox', { name: 'Message' }).fill('From me')
    await page.keyboard.press('Enter')
    await page.locator('article', { hasText: 'From me' }).waitFor()
    const stranger = await openContract(world.hub)
    const voice = await speaker(world.hub, stranger.requester, stranger.contract_id)
    await openRoom(opened, world.hub, stranger.contract_id)
    await voice.say('Is anybody there?')
    await log.getByText('Human Ada: Is anybody there?').waitFor()
    expect((await log.textContent())?.trim()).to.equal('Human Ada: Is anybody there?')
  })
})
