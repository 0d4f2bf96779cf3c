import { expect } from 'chai'
import { api, openContract, registerAgent, signUp } from '../../../harness/people.ts'
import { openRoom, speaker, until } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

describe('console: the list of rooms', () => {
  const world = useConsole()

  it('[CON-10] the list shows what one may see, a new contract comes by itself, and old data stays when the hub gives none', async () => {
    const ada = await signUp(world.hub, ['requester'], 'Ada')
    const { page } = await world.signedIn({ user: ada })
    await page.getByText('No rooms yet.').waitFor()
    await openContract(world.hub, { requester: ada })
    await page.locator('.list-row').waitFor()
    await openContract(world.hub)
    await openContract(world.hub, { requester: ada })
    await until(
      () => page.locator('.list-row').count(),
      (count) => count === 2,
    )

    await page.route('**/contracts?*', (route) => route.abort())
    await openContract(world.hub, { requester: ada })
    await page.getByText(/cannot be reached\. As of/).waitFor()
    expect(await page.locator('.list-row').count()).to.equal(2)
    await page.unroute('**/contracts?*')
    await page.locator('.list-stale').getByRole('button', { name: 'Retry' }).click()
    await until(
      () => page.locator('.list-row').count(),
      (count) => count === 3,
    )
  })

  it('[CON-10] who is no longer staff has neither the rooms of others in the list nor the pages of staff in the menu, without a reload', async () => {
    const rea = await signUp(world.hub, ['reviewer', 'requester'], 'Rea')
    await openContract(world.hub)
    const { contract_id } = await openContract(world.hub, { requester: rea })
    const { page } = await world.signedIn({ user: rea })
    // The page's own time goes on as ever, and jumps where it is told to.
    await page.clock.install()
    await page.goto(`${world.hub.url}/app/agents`)
    await page.locator('.list-row').nth(1).waitFor()
    await api(world.hub, 'PATCH', `/users/${rea.id}`, { body: { roles: ['requester'] }, bearer: world.hub.operator_token })
    await page.getByRole('link', { name: 'Audit' }).click()
    await page.getByRole('link', { name: 'Audit' }).waitFor({ state: 'detached' })
    await page.clock.fastForward(15_000)
    await until(
      () => page.locator('.list-row').evaluateAll((links) => links.map((link) => link.getAttribute('href'))),
      (paths) => JSON.stringify(paths) === JSON.stringify([`/app/rooms/${contract_id}`]),
    )
  })

  it('[CON-37] who has one room is led into it, with what its agent is for; who has two chooses', async () => {
    const ada = await signUp(world.hub, ['requester'], 'Ada')
    const provider = await registerAgent(world.hub, 'Scribe')
    const { contract_id } = await openContract(world.hub, { requester: ada, provider })
    const { page } = await world.signedIn({ user: ada, viewport: { width: 360, height: 740 } })
    await page.getByText('Scribe is an agent and works there for you').waitFor()
    await page
      .getByRole('main')
      .getByRole('link', { name: /^Open “/ })
      .click()
    await page.waitForURL(`**/app/rooms/${contract_id}`)
    await openContract(world.hub, { requester: ada })
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.goto(`${world.hub.url}/app/rooms`)
    await page.getByText('Choose a room to see what happens in it.').waitFor()
  })

  it('[CON-10] the room where something happens comes first, but not while one is about to choose', async () => {
    const ada = await signUp(world.hub, ['requester'], 'Ada')
    const ids: string[] = []
    for (let n = 0; n < 3; n++) ids.unshift((await openContract(world.hub, { requester: ada })).contract_id)
    const opened = await world.signedIn({ user: ada })
    const { page } = opened
    const rows = () => page.locator('.list-row').evaluateAll((links) => links.map((link) => link.getAttribute('href')?.split('/').at(-1)))
    const untilRows = (wanted: (string | undefined)[]) => until(rows, (seen) => JSON.stringify(seen) === JSON.stringify(wanted))
    await openRoom(opened, world.hub, ids[2] ?? '')
    await untilRows(ids)
    const voices = await Promise.all([2, 1].map((n) => speaker(world.hub, ada, ids[n] ?? '')))
    await voices[0]?.say('first')
    await untilRows([ids[2], ids[0], ids[1]])
    // The pointer stays where it clicked.
    await page.locator(`.list-row[href$="${ids[1]}"]`).click()
    await page.locator('article').first().waitFor()
    await voices[1]?.say('second')
    await page.locator('article.message', { hasText: 'second' }).waitFor()
    expect(await rows()).to.deep.equal([ids[2], ids[0], ids[1]])
    await page.locator('.timeline').hover()
    await untilRows([ids[1], ids[2], ids[0]])
    for (const voice of voices) voice.close()
  })
})
