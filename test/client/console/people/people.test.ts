import { expect } from 'chai'
import { api, signUp } from '../../../harness/people.ts'
import { until } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

interface User {
  user_id: string
  email: string
  name: string
  roles: string[]
  status: string
}

describe('console: people', () => {
  const world = useConsole()

  const userOf = async (id: string) => (await api<User>(world.hub, 'GET', `/users/${id}`, { bearer: world.hub.operator_token })).body

  async function peoplePage() {
    const opened = await world.signedIn()
    await opened.page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'People' }).click()
    await opened.page.locator('.item', { hasText: 'the hub’s own admin' }).waitFor()
    const row = (name: string) => opened.page.locator('.item', { hasText: name })
    return { ...opened, row }
  }

  it('[CON-30] an admin invites by a link that is shown once; a second address is refused with why; the link works', async () => {
    const { page, row, faults } = await peoplePage()
    const invite = async () => {
      await page.getByRole('button', { name: 'Invite…', exact: true }).click()
      await page.getByLabel('E-mail address').fill('bea@example.org')
      await page.getByLabel('Name', { exact: true }).fill('Bea')
      await page.getByRole('checkbox', { name: /^Reviewer/ }).check()
      await page.getByRole('button', { name: 'Make the invitation' }).click()
    }
    await invite()
    const box = page.getByLabel('Invitation link')
    const url = await box.inputValue()
    expect(url).to.contain(`${world.hub.url}/app/invitation#token=`)
    // One key too many must not take the only sight of it away.
    await page.keyboard.press('Escape')
    expect(await box.isVisible()).to.equal(true)
    await page.getByRole('button', { name: 'Done' }).click()
    await row('bea@example.org').getByText('Invited').waitFor()
    expect(await page.content()).to.not.contain('#token=')
    const guest = await world.openPage()
    await guest.page.goto(url)
    await guest.page.getByLabel('Password', { exact: true }).fill('correct horse battery')
    await guest.page.keyboard.press('Enter')
    await guest.page.waitForURL('**/app/rooms')
    await invite()
    await page.getByRole('alert').getByText('email: a user has this address.').waitFor()
    expect(faults).to.deep.equal([])
  })

  it('[CON-30] an admin changes name and roles, and what was not changed stays as somebody else set it meanwhile', async () => {
    const ada = await signUp(world.hub, ['requester'], 'Ada Lovelace')
    const { page, row } = await peoplePage()
    await page.getByRole('button', { name: 'Change Ada Lovelace' }).click()
    await api(world.hub, 'PATCH', `/users/${ada.id}`, { bearer: world.hub.operator_token, body: { name: 'Ada King' } })
    await page.getByRole('checkbox', { name: /^Provider/ }).check()
    await page.getByRole('button', { name: 'Save' }).click()
    await row('Ada King').getByText('requester, provider').waitFor()
    const { roles, name } = await userOf(ada.id)
    expect({ roles, name }).to.deep.equal({ roles: ['requester', 'provider'], name: 'Ada King' })
    await page.getByRole('button', { name: 'Change Ada King' }).click()
    for (const role of [/^Requester/, /^Provider/]) await page.getByRole('checkbox', { name: role }).uncheck()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('alert').getByText('roles:').waitFor()
    expect((await userOf(ada.id)).roles).to.deep.equal(['requester', 'provider'])
  })

  it('[CON-30] an admin sees who asked for a new password, and makes the link that sets one', async () => {
    const cleo = await signUp(world.hub, ['requester'], 'Cleo')
    await api(world.hub, 'POST', '/password-resets', { body: { email: (await userOf(cleo.id)).email } })
    const { page, row } = await peoplePage()
    await row('Cleo').getByText('Asked for a new password').waitFor()
    await page.getByRole('button', { name: 'Reset link for Cleo' }).click()
    await page.getByRole('button', { name: 'Make the link' }).click()
    const url = await page.getByRole('textbox', { name: 'Reset link' }).inputValue()
    await page.getByRole('button', { name: 'Done' }).click()
    const guest = await world.openPage()
    await guest.page.goto(url)
    await guest.page.getByRole('heading', { name: 'A new password for Cleo' }).waitFor()
  })

  it('[CON-30] an admin deactivates after a question, which signs out at once, and activates again; the hub’s own admin cannot be', async () => {
    const dan = await signUp(world.hub, ['requester'], 'Dan')
    const { page, row } = await peoplePage()
    await page.getByRole('button', { name: 'Deactivate Dan' }).click()
    await page.getByRole('button', { name: 'Cancel' }).click()
    expect((await world.hub.get('/me', dan.bearer)).status).to.equal(200)
    await page.getByRole('button', { name: 'Deactivate Dan' }).click()
    await page.getByRole('button', { name: 'Deactivate', exact: true }).click()
    await row('Dan').getByText('Deactivated').waitFor()
    expect((await world.hub.get('/me', dan.bearer)).status).to.equal(401)
    await page.getByLabel('Show').selectOption('Deactivated')
    await until(
      () => page.locator('.item').count(),
      (count) => count === 1,
    )
    await page.getByRole('button', { name: 'Activate Dan' }).click()
    await page.getByRole('button', { name: 'Activate', exact: true }).click()
    await page.getByText('Nobody here.').waitFor()
    expect((await userOf(dan.id)).status).to.equal('active')
    await page.getByLabel('Show').selectOption('Everybody')
    await row('the hub’s own admin').waitFor()
    expect(await page.getByRole('button', { name: 'Deactivate Operator' }).count()).to.equal(0)
  })

  it('[CON-30] who is no admin is not led there, and is told why when going there', async () => {
    const { page } = await world.signedIn({ user: await signUp(world.hub, ['reviewer'], 'Rea') })
    await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Agents' }).waitFor()
    expect(await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'People' }).count()).to.equal(0)
    await page.goto(`${world.hub.url}/app/people`)
    await page.getByText('The people could not be loaded.').waitFor()
  })
})
