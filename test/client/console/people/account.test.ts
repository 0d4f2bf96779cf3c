import { expect } from 'chai'
import { api, signUp } from '../../../harness/people.ts'
import { until } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

const PASSWORD = 'correct horse battery'

describe('console: your account', () => {
  const world = useConsole()

  it('[CON-29] one sees where one is signed in, and ends one session after a question; that one is out, and this one stays', async () => {
    const ada = await signUp(world.hub, ['requester'], 'Ada')
    const [mine, other] = [await world.signedIn({ user: ada }), await world.signedIn({ user: ada })]
    const { page, faults } = mine
    await page.getByRole('link', { name: 'Ada' }).click()
    await page.getByRole('heading', { name: 'Your account' }).waitFor()
    const rows = page.locator('.item')
    await rows.nth(2).waitFor()
    expect(await rows.count()).to.equal(3)
    expect(await rows.filter({ hasText: 'This browser' }).count()).to.equal(1)
    expect(await rows.filter({ hasText: 'Program' }).count()).to.equal(1)
    const theirs = rows.filter({ hasText: /Chrome .*Browser/s }).filter({ hasNotText: 'This browser' })
    await theirs.getByRole('button', { name: /End the session on/ }).click()
    const dialog = page.getByRole('dialog', { name: 'End this session?' })
    expect(await dialog.getByRole('button', { name: 'Cancel' }).evaluate((button) => button === document.activeElement)).to.equal(true)
    await page.keyboard.press('Escape')
    expect(await rows.count()).to.equal(3)
    await theirs.getByRole('button', { name: /End the session on/ }).click()
    await dialog.getByRole('button', { name: 'End session' }).click()
    await page.getByRole('status').getByText('The session has ended.').waitFor()
    await until(
      () => rows.count(),
      (count) => count === 2,
    )
    await other.page.getByRole('heading', { name: 'Your session has ended' }).waitFor()
    // The button that had the focus is gone: it is not lost.
    await until(
      () => page.evaluate(() => document.activeElement?.id),
      (id) => id === 'page-title',
    )
    await page.reload()
    await page.getByRole('heading', { name: 'Your account' }).waitFor()
    expect(faults).to.deep.equal([])
  })

  it('[CON-29] one signs out everywhere else in one step', async () => {
    const ada = await signUp(world.hub, ['requester'], 'Ada')
    const { page } = await world.signedIn({ user: ada })
    await page.goto(`${world.hub.url}/app/account`)
    await page.getByRole('button', { name: 'Sign out everywhere else…' }).click()
    await page.getByRole('button', { name: 'Sign out everywhere else', exact: true }).click()
    await page.getByRole('status').getByText('You are signed out everywhere else.').waitFor()
    expect((await world.hub.get('/me', ada.bearer)).status).to.equal(401)
    await page.locator('.item').filter({ hasText: 'This browser' }).waitFor()
    await until(
      () => page.locator('.item').count(),
      (count) => count === 1,
    )
    await page.getByRole('button', { name: 'Sign out everywhere else…' }).waitFor({ state: 'detached' })
  })

  it('[CON-29] one changes the password, is told what is wrong with it, and stays signed in', async () => {
    const email = 'ada@example.org'
    const made = { email, name: 'Ada', password: PASSWORD, roles: ['requester'] }
    const { body } = await api<{ user_id: string }>(world.hub, 'POST', '/users', { body: made, bearer: world.hub.operator_token })
    const { page, faults } = await world.signedIn({ user: { id: body.user_id } })
    await page.goto(`${world.hub.url}/app/account`)
    const change = async (from: string, to: string) => {
      await page.getByLabel('Current password').fill(from)
      await page.getByLabel('New password').fill(to)
      await page.getByRole('button', { name: 'Change password' }).click()
    }
    await change(PASSWORD, 'short')
    await page.getByRole('alert').getByText('Use at least 10 characters.').waitFor()
    await change('not the password', 'another horse battery')
    await page.getByRole('alert').getByText('The current password is not right. Give the password that you sign in with now').waitFor()
    await change(PASSWORD, 'another horse battery')
    await page.getByRole('status').getByText('Your password is changed').waitFor()
    expect(await page.getByLabel('New password').inputValue()).to.equal('')
    expect((await api(world.hub, 'POST', '/sessions', { body: { email, password: 'another horse battery' } })).status).to.equal(200)
    await page.reload()
    await page.getByRole('heading', { name: 'Your account' }).waitFor()
    expect(faults).to.deep.equal([])
  })

  it('[CON-29] what the hub refuses is told where it happened, with what to do', async () => {
    const { page } = await world.signedIn()
    await page.route('**/sessions?*', (route) => route.abort())
    await page.goto(`${world.hub.url}/app/account`)
    await page.getByText('Your sessions could not be loaded. The hub cannot be reached. Check that it is running').waitFor()
    await page.unroute('**/sessions?*')
    await page.getByRole('button', { name: 'Retry' }).click()
    await page.locator('.item').first().waitFor()
  })
})
