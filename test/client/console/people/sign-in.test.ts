import { expect } from 'chai'
import { signUp } from '../../../harness/people.ts'
import { signInLink } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

describe('console: sign-in', () => {
  const world = useConsole()

  it('[CON-1] a sign-in link signs in once, and its token leaves the address bar before the hub is asked', async () => {
    const url = await signInLink(world.hub)
    const { page, faults } = await world.openPage()
    const addresses: string[] = []
    page.on('request', (request) => {
      if (request.url().endsWith('/redeem')) addresses.push(page.url())
    })
    await page.goto(url)
    await page.waitForURL('**/app/rooms')
    await page.getByText('No rooms yet.').waitFor()
    expect(addresses).to.deep.equal([`${world.hub.url}/app/sign-in`])
    await page.goBack().catch(() => undefined)
    expect(page.url()).to.not.contain('token')
    expect(faults).to.deep.equal([])

    const second = await world.openPage()
    await second.page.goto(url)
    await second.page.getByRole('heading', { name: 'This link no longer works' }).waitFor()
    await second.page.getByText('scripts/start').waitFor()
    expect(second.page.url()).to.equal(`${world.hub.url}/app/sign-in`)
  })

  it('[CON-1] who is signed in already and opens a spent link gets to the rooms', async () => {
    const { page } = await world.signedIn()
    await page.goto(`${world.hub.url}/app/sign-in#token=spent`)
    await page.getByRole('link', { name: 'open the rooms' }).click()
    await page.getByText('No rooms yet.').waitFor()
  })

  it('[CON-37] an admin of a hub without a room is told how to come by one, on narrow screens too', async () => {
    const { page } = await world.signedIn()
    await page.getByRole('heading', { name: 'Begin with an agent' }).waitFor()
    await page.setViewportSize({ width: 360, height: 740 })
    await page.getByRole('main').getByRole('link', { name: 'Agents' }).click()
    await page.waitForURL('**/app/agents')
  })

  it('[CON-2] who is not signed in is told how to, on every page', async () => {
    const { page } = await world.openPage()
    for (const path of ['/', '/app/rooms', '/app/rooms/01890a5d-ac96-774b-bcce-b302099a8057', '/app/sign-in']) {
      await page.goto(world.hub.url + path)
      await page.getByRole('heading', { name: 'Sign in' }).waitFor()
      await page.getByText('scripts/start').waitFor()
    }
  })

  it('[CON-47] when another tab signs in as somebody else, the page of the former one ends, and writes nothing as the new one', async () => {
    const { page, context } = await world.signedIn()
    const written: string[] = []
    page.on('request', (request) => {
      if (request.method() === 'POST') written.push(request.headers()['x-parley-principal'] ?? 'nobody')
    })
    const other = await context.newPage()
    await other.goto(await signInLink(world.hub, await signUp(world.hub)))
    await other.getByRole('button', { name: 'Sign in as Ada instead' }).click()
    await other.waitForURL('**/app/rooms')
    await page.bringToFront()
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    await page.getByRole('heading', { name: 'Your session has ended' }).waitFor()
    expect(written).to.deep.equal([])
  })

  it('[CON-2] signing out ends the access of the browser', async () => {
    const { page } = await world.signedIn()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    await page.goto(`${world.hub.url}/app/rooms`)
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  })

  it('[CON-2] a page that is not there, and a room that one may not see, say so', async () => {
    const { page } = await world.signedIn()
    await page.goto(`${world.hub.url}/app/nowhere`)
    await page.getByRole('heading', { name: 'There is no such page' }).waitFor()
    await page.setViewportSize({ width: 360, height: 740 })
    await page.getByRole('heading', { name: 'There is no such page' }).waitFor()
    for (const id of ['01890a5d-ac96-774b-bcce-b302099a8057', 'no-id']) {
      await page.goto(`${world.hub.url}/app/rooms/${id}`)
      await page.getByRole('heading', { name: 'No such room' }).waitFor()
    }
  })
})
