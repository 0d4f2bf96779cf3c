import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { api, openContract, signUp } from '../../../harness/people.ts'
import { openRoom, signInLink, speaker, until, type Watched, watch } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

const PASSWORD = 'correct horse battery'

describe('console: one user after another', () => {
  const world = useConsole()

  /** A room of Ada's, open in a browser where no message reaches the hub. */
  async function roomOfAda() {
    const ada = await signUp(world.hub, ['requester'], 'Ada')
    const { contract_id, provider } = await openContract(world.hub, { requester: ada })
    const opened = await world.signedIn({ user: ada })
    await holdBack(opened.page)
    await openRoom(opened, world.hub, contract_id)
    return { ...opened, ada, contract_id, provider, box: opened.page.getByRole('textbox', { name: 'Message' }) }
  }

  /** No message of the page reaches the hub. */
  function holdBack(page: Page): Promise<void> {
    return page.routeWebSocket(/socket\.io/, (socket) => {
      const server = socket.connectToServer()
      socket.onMessage((frame) => (String(frame).includes('"message.post"') ? undefined : server.send(frame)))
    })
  }

  async function post({ page, box }: { page: Page; box: ReturnType<Page['locator']> }, text: string): Promise<void> {
    await box.fill(text)
    await page.keyboard.press('Enter')
    await page.locator('.outgoing li', { hasText: text }).waitFor()
  }

  async function signInAs(page: Page, name: string): Promise<void> {
    const email = `${randomUUID()}@example.org`
    const body = { email, name, password: PASSWORD, roles: ['requester'] }
    await api(world.hub, 'POST', '/users', { body, bearer: world.hub.operator_token })
    await page.getByLabel('E-mail address').fill(email)
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('link', { name }).waitFor()
  }

  it('[CON-48] who signs out is told of what is not sent; then none of it, and no news, is left in any tab, and of others all', async () => {
    const room = await roomOfAda()
    const { page, context, contract_id, provider } = room
    await page.evaluate(() => localStorage.setItem('parley.console.draft.of-another.room', '{"text":"keep"}'))
    const voice = await speaker(world.hub, provider, contract_id)
    await voice.say('News for Ada')
    voice.close()
    const log = page.getByRole('log')
    await log.getByText('News for Ada').waitFor({ state: 'attached' })
    await post(room, 'never arrives')
    await room.box.fill('half a sent')
    const other = await watch(context, await context.newPage())
    await holdBack(other.page)
    await openRoom(other, world.hub, contract_id)

    const dialog = page.getByRole('dialog', { name: 'Sign out of this browser?' })
    await page.getByRole('button', { name: 'Sign out' }).click()
    await dialog.getByText('A message of yours is not sent yet.').waitFor()
    await dialog.getByText('You have begun a message that you have not sent.').waitFor()
    await dialog.getByRole('button', { name: 'Stay signed in' }).click()
    expect(await leftIn(page)).to.have.length(3)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await dialog.getByRole('button', { name: 'Sign out and remove' }).click()
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    await other.page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    expect(await leftIn(page)).to.deep.equal(['parley.console.draft.of-another.room'])

    await signInAs(page, 'Bob')
    await log.waitFor({ state: 'attached' })
    expect(await log.textContent()).to.equal('')
    expect([...room.faults, ...other.faults]).to.deep.equal([])
  })

  it('[CON-48] who signs out of a session that has ended meanwhile leaves nothing either; without the hub all stays as it is', async () => {
    const { page, box } = await roomOfAda()
    await box.fill('half a sent')
    const dialog = page.getByRole('dialog', { name: 'Sign out of this browser?' })
    await page.route('**/sessions/current', (route) => route.abort())
    await page.getByRole('button', { name: 'Sign out' }).click()
    await dialog.getByRole('button', { name: 'Sign out and remove' }).click()
    await dialog.getByText('The hub cannot be reached').waitFor()
    expect(await leftIn(page)).to.have.length(1)
    await page.unroute('**/sessions/current')
    const ended = { code: 'UNAUTHENTICATED', title: 'The credentials are missing or not valid', fix: 'Sign in again.', retry: 'never' }
    await page.route('**/sessions/current', (route) => route.fulfill({ status: 401, json: ended }))
    await dialog.getByRole('button', { name: 'Sign out and remove' }).click()
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    expect(await leftIn(page)).to.deep.equal([])
  })

  it('[CON-48] a session that merely ended keeps them for the same user, and each message is sent once', async () => {
    const room = await roomOfAda()
    const { page, context, ada, contract_id } = room
    await post(room, 'of an earlier page')
    await page.reload()
    await page.locator('.outgoing', { hasText: 'of an earlier page' }).waitFor()
    await post(room, 'of this page')
    await room.box.fill('half a sent')
    await api(world.hub, 'DELETE', '/sessions', { bearer: ada.bearer })
    await page.getByRole('heading', { name: 'Your session has ended' }).waitFor()
    await page.getByText('What you wrote is kept in this browser.').waitFor()

    const later = await watch(context, await context.newPage())
    await later.page.goto(await signInLink(world.hub, ada))
    await later.page.waitForURL('**/app/rooms')
    await openRoom(later, world.hub, contract_id)
    const messages = later.page.locator('article.message .prose')
    await until(
      () => messages.allTextContents(),
      (texts) => texts.length === 2 && texts.includes('of this page') && texts.includes('of an earlier page'),
    )
    await later.page.locator('.outgoing').waitFor({ state: 'detached' })
    expect(await later.page.getByRole('textbox', { name: 'Message' }).inputValue()).to.equal('half a sent')
    expect(await leftIn(later.page)).to.deep.equal([`parley.console.draft.${ada.id}.${contract_id}`])
  })

  it('[CON-49] a link of another user asks first: who stays leaves it unused, who goes on loses nothing that was written', async () => {
    const { contract_id } = await openContract(world.hub)
    const operator = await world.signedIn()
    await openRoom(operator, world.hub, contract_id)
    const box = operator.page.getByRole('textbox', { name: 'Message' })
    await box.fill('half a sent')
    const { page, faults } = await watch(operator.context, await operator.context.newPage())
    const used: string[] = []
    page.on('request', (request) => request.url().endsWith('/redeem') && used.push(request.url()))
    const link = await signInLink(world.hub, await signUp(world.hub, ['requester'], 'Eve <b>'))
    await page.goto(link)
    await page.getByRole('heading', { name: 'You are signed in as Operator' }).waitFor()
    expect(page.url()).to.not.contain('token')
    await page.getByRole('button', { name: 'Stay signed in as Operator' }).click()
    await page.waitForURL('**/app/rooms')
    await page.getByRole('link', { name: 'Operator' }).waitFor()
    expect(used).to.deep.equal([])

    await page.goto(link)
    await page.getByRole('button', { name: 'Sign in as Eve <b> instead' }).click()
    await page.getByRole('link', { name: 'Eve <b>' }).waitFor()
    expect(used).to.have.length(1)
    await page.goto(await signInLink(world.hub))
    await page.getByRole('button', { name: 'Sign in as Operator instead' }).click()
    await page.getByRole('link', { name: 'Operator' }).waitFor()
    await page.goto(`${world.hub.url}/app/rooms/${contract_id}`)
    expect(await page.getByRole('textbox', { name: 'Message' }).inputValue()).to.equal('half a sent')
    expect(faults).to.deep.equal([])
  })

  it('[CON-49] a link of one who is signed in already asks nothing; an invitation says whose place it takes', async () => {
    const { page } = await world.signedIn()
    await page.goto('about:blank')
    await page.goto(await signInLink(world.hub))
    await page.waitForURL('**/app/rooms')
    // A namesake is somebody else.
    for (const name of ['Newcomer', 'Operator']) {
      const body = { email: `${name}@example.org`, name, roles: ['requester'] }
      const invited = await api<{ url: string }>(world.hub, 'POST', '/invitations', { body, bearer: world.hub.operator_token })
      await page.goto(invited.body.url)
      await page.getByText(`You are signed in as Operator: setting the password signs in ${name} in this browser instead.`).waitFor()
    }
  })

  it('[CON-47] a connection that comes about after its user signed out is none of the next user', async () => {
    const { page } = await world.openPage()
    const sockets: { isOpen: boolean }[] = []
    page.on('websocket', (socket) => {
      const seen = { isOpen: true }
      sockets.push(seen)
      socket.on('close', () => {
        seen.isOpen = false
      })
    })
    await page.goto(world.hub.url)
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    // The first is the page's own question, the second that of the connection.
    let asked = 0
    const held = Promise.withResolvers<void>()
    await page.route('**/me', async (route) => {
      asked += 1
      if (asked === 2) await held.promise
      await route.continue()
    })
    await signInAs(page, 'Ada')
    await until(
      async () => asked,
      (count) => count === 2,
    )
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    await signInAs(page, 'Bob')
    await until(
      async () => sockets.length,
      (count) => count === 1,
    )
    held.resolve()
    await until(
      async () => sockets.map(({ isOpen }) => isOpen),
      ([first, second]) => first === true && second === false,
    )
    await page.getByRole('link', { name: 'Bob' }).waitFor()
    await page.getByRole('main').waitFor()
  })
})

/** What is kept in the browser of what somebody wrote. */
const leftIn = (page: Watched['page']): Promise<string[]> =>
  page.evaluate(() => Object.keys(localStorage).filter((name) => /^parley\.(outbox|console\.(draft|unsent))/.test(name)))
