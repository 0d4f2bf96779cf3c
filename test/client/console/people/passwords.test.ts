import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { createManualClock } from '../../../harness/clock.ts'
import { api } from '../../../harness/people.ts'
import { useConsole } from '../use-console.ts'

const PASSWORD = 'correct horse battery'

describe('console: passwords', () => {
  const clock = createManualClock()
  const world = useConsole({ clock })
  let people = 0

  const asOperator = <T>(method: string, path: string, body?: unknown) =>
    api<T>(world.hub, method, path, { bearer: world.hub.operator_token, ...(body === undefined ? {} : { body }) })

  async function newUser(): Promise<{ user_id: string; email: string }> {
    const email = `person-${++people}@example.org`
    const made = await asOperator<{ user_id: string }>('POST', '/users', { email, name: 'Ada', password: PASSWORD, roles: ['requester'] })
    return { user_id: made.body.user_id, email }
  }

  async function fillIn(page: Page, fields: Record<string, string>): Promise<void> {
    for (const [label, text] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(text)
    await page.keyboard.press('Enter')
  }

  it('[CON-26] one signs in by address and password, where one wanted to go; a wrong one is told, and the field keeps its text', async () => {
    const { email } = await newUser()
    const { page, faults } = await world.openPage()
    await page.goto(`${world.hub.url}/app/rooms/01890a5d-ac96-774b-bcce-b302099a8057`)
    await fillIn(page, { 'E-mail address': email, Password: 'not the password' })
    await page.getByRole('alert').getByText('There is no user with this e-mail address and this password.').waitFor()
    expect(await page.getByLabel('Password', { exact: true }).getAttribute('aria-invalid')).to.equal('true')
    await fillIn(page, { Password: PASSWORD })
    await page.getByRole('heading', { name: 'No such room' }).waitFor()
    expect(await page.getByLabel('E-mail address').count()).to.equal(0)
    await page.reload()
    await page.getByRole('heading', { name: 'No such room' }).waitFor()
    expect(faults).to.deep.equal([])
  })

  it('[CON-26] who tried too often is told how long to wait', async () => {
    const { email } = await newUser()
    for (let turn = 0; turn < 10; turn += 1) await api(world.hub, 'POST', '/sessions', { body: { email, password: 'wrong' } })
    clock.advance(3 * 60_000)
    const { page } = await world.openPage()
    await page.goto(`${world.hub.url}/app/sign-in`)
    await fillIn(page, { 'E-mail address': email, Password: PASSWORD })
    await page.getByRole('alert').getByText('Too many attempts from here. Try again in 12 minutes.').waitFor()
    clock.advance(12 * 60_000)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL('**/app/rooms')
  })

  it('[CON-27] an invitation greets by name, takes a password that is long enough, and opens the rooms; its token leaves the address', async () => {
    const email = 'bea@example.org'
    const invite = () => asOperator<{ url: string }>('POST', '/invitations', { email, name: 'Bea', roles: ['reviewer'] })
    const { url } = (await invite()).body
    const { page, faults } = await world.openPage()
    const addresses: string[] = []
    page.on('request', (request) => void (request.method() === 'POST' && addresses.push(page.url())))
    await page.goto(url)
    await page.getByRole('heading', { name: 'Welcome, Bea' }).waitFor()
    expect(await page.getByLabel('E-mail address').inputValue()).to.equal(email)
    await fillIn(page, { Password: 'short' })
    await page.getByRole('alert').getByText('Use at least 10 characters.').waitFor()
    await page.getByRole('checkbox', { name: 'Show password' }).check()
    expect(await page.getByLabel('Password', { exact: true }).getAttribute('type')).to.equal('text')
    await fillIn(page, { Password: 'é'.repeat(40) })
    await page.getByRole('alert').getByText('It is too long').waitFor()
    await fillIn(page, { Password: PASSWORD })
    await page.waitForURL('**/app/rooms')
    await page.getByText('No rooms yet.').waitFor()
    expect(new Set(addresses)).to.deep.equal(new Set([`${world.hub.url}/app/invitation`]))
    expect(faults).to.deep.equal([])

    const second = await world.openPage()
    await second.page.goto(url)
    await second.page.getByRole('heading', { name: 'This invitation no longer works' }).waitFor()
    await second.page.getByRole('link', { name: 'Go to sign-in' }).click()
    await fillIn(second.page, { 'E-mail address': email, Password: PASSWORD })
    await second.page.waitForURL('**/app/rooms')
  })

  it('[CON-27] an invitation that is used elsewhere meanwhile says so, and signs in nobody', async () => {
    const { body } = await asOperator<{ url: string }>('POST', '/invitations', {
      email: 'cleo@example.org',
      name: 'Cleo',
      roles: ['admin'],
    })
    const { page } = await world.openPage()
    await page.goto(body.url)
    await page.getByRole('heading', { name: 'Welcome, Cleo' }).waitFor()
    const token = body.url.split('#token=')[1]
    expect((await api(world.hub, 'POST', '/invitations/redeem', { body: { token, password: 'the other was faster' } })).status).to.equal(
      200,
    )
    await fillIn(page, { Password: PASSWORD })
    await page.getByRole('heading', { name: 'This invitation no longer works' }).waitFor()
    await page.goto(`${world.hub.url}/app/rooms`)
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  })

  it('[CON-28] who forgot the password asks for a link; an operator sees it, and the link sets a new one', async () => {
    const { email, user_id } = await newUser()
    const { page } = await world.openPage()
    await page.goto(`${world.hub.url}/app/rooms`)
    await page.getByRole('link', { name: 'Forgot your password?' }).click()
    await fillIn(page, { 'E-mail address': email })
    await page.getByRole('heading', { name: 'Your request is noted' }).waitFor()
    expect((await asOperator<{ reset_asked_at?: string }>('GET', `/users/${user_id}`)).body.reset_asked_at).to.be.a('string')
    await page.getByRole('link', { name: 'Back to sign-in' }).click()
    await page.getByLabel('Password', { exact: true }).waitFor()
    const made = await asOperator<{ url: string }>('POST', `/users/${user_id}/password-reset-links`)
    await page.goto(`${world.hub.url}/app/password-reset`)
    // Pasted over the address of a page that is open: only what stands behind the # changes.
    await page.goto(made.body.url)
    await page.getByRole('heading', { name: 'A new password for Ada' }).waitFor()
    await fillIn(page, { Password: 'another horse battery' })
    await page.waitForURL('**/app/rooms')
    expect((await api(world.hub, 'POST', '/sessions', { body: { email, password: 'another horse battery' } })).status).to.equal(200)
    const again = await world.openPage()
    await again.page.goto(made.body.url)
    await again.page.getByRole('heading', { name: 'This link no longer works' }).waitFor()
  })

  it('[CON-28] the token of one page is none of another, and a page without one says what to do', async () => {
    const { page } = await world.openPage()
    await page.goto(`${world.hub.url}/app/sign-in#token=spent`)
    await page.getByRole('heading', { name: 'This link no longer works' }).waitFor()
    await page.getByRole('link', { name: 'Sign in with your password' }).click()
    await page.getByRole('link', { name: 'Forgot your password?' }).click()
    await page.getByRole('heading', { name: 'Forgot your password?' }).waitFor()
    await page.goto(`${world.hub.url}/app/invitation`)
    await page.getByRole('heading', { name: 'This invitation no longer works' }).waitFor()
  })
})
