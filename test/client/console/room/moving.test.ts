import { expect } from 'chai'
import { api, openContract } from '../../../harness/people.ts'
import { speaker } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

describe('console: from room to room', () => {
  const world = useConsole()

  it('[CON-50] who goes to another room and back before the first has opened has it live, and the browser leads back and forth', async () => {
    const { requester, provider, contract_id } = await openContract(world.hub)
    const body = { title: 'Another', requester_id: requester.id, provider_id: provider.id }
    await api(world.hub, 'POST', '/contracts', { body, bearer: world.hub.operator_token })
    const { page, faults } = await world.signedIn()
    const held: (() => void)[] = []
    let isHolding = true
    await page.routeWebSocket(/socket\.io/, (socket) => {
      const server = socket.connectToServer()
      socket.onMessage((frame) => {
        const text = String(frame)
        if (isHolding && text.includes('"room.join"') && text.includes(contract_id)) held.push(() => server.send(frame))
        else server.send(frame)
      })
    })
    await page.reload()
    const row = (title: string) => page.locator('.list-row', { hasText: title })
    await row('Sort the archive').click()
    while (held.length === 0) await page.evaluate(() => new Promise(requestAnimationFrame))
    await row('Another').click()
    await page.getByRole('heading', { name: 'Another' }).waitFor()
    await page.locator('[role=feed] article').first().waitFor()
    await row('Sort the archive').click()
    isHolding = false
    for (const send of held) send()
    await page.getByRole('main', { name: 'Room Sort the archive' }).locator('[role=feed] article').first().waitFor()
    const voice = await speaker(world.hub, provider, contract_id)
    await voice.say('Heard live')
    await page.locator('article.message', { hasText: 'Heard live' }).waitFor()
    voice.close()

    await page.goBack()
    await page.getByRole('main', { name: 'Room Another' }).waitFor()
    await page.goForward()
    await page.locator('article.message', { hasText: 'Heard live' }).waitFor()
    expect(faults).to.deep.equal([])
  })
})
