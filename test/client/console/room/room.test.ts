import { expect } from 'chai'
import { connectAgent, openContract, registerAgent, signUp } from '../../../harness/people.ts'
import { openRoom, operatorOf, seqsOn, speaker, until } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

describe('console: a room', () => {
  const world = useConsole({ limits: { frame_bytes: 8_192 } })

  it('[CON-3] what one writes appears in the other browser, once, with who wrote it', async () => {
    const ada = await signUp(world.hub, ['requester'], 'Ada')
    const { contract_id } = await openContract(world.hub, { requester: ada })
    const [one, other] = await Promise.all([world.signedIn({ user: ada }), world.signedIn()])
    await Promise.all([openRoom(one, world.hub, contract_id), openRoom(other, world.hub, contract_id)])
    await one.page.getByRole('textbox', { name: 'Message' }).fill('Good morning')
    await other.page.getByText('Ada is typing…').waitFor()
    await one.page.keyboard.press('Enter')

    const seen = other.page.locator('article.message', { hasText: 'Good morning' })
    await seen.waitFor()
    expect(await seen.locator('.who').textContent()).to.match(/Ada\s*Human/)
    expect(await one.page.locator('article.message .who').textContent()).to.match(/Ada\s*You/)
    await until(
      () => one.page.getByText('Good morning').count(),
      (count) => count === 1,
    )
    expect(await one.page.getByRole('textbox', { name: 'Message' }).inputValue()).to.equal('')
    expect([...one.faults, ...other.faults]).to.deep.equal([])
  })

  it('[CON-4] Enter sends; Shift+Enter, an Enter that confirms a word, and blanks do not', async () => {
    const { contract_id } = await openContract(world.hub)
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page } = opened
    const box = page.getByRole('textbox', { name: 'Message' })
    await box.fill('   ')
    await box.press('Enter')
    await box.fill('one')
    await box.press('Shift+Enter')
    await box.pressSequentially('two')
    await box.dispatchEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true })
    await box.dispatchEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true })
    expect(await box.inputValue()).to.equal('one\ntwo')
    expect(await seqsOn(page)).to.deep.equal([1])
    await box.press('Enter')
    await page.locator('article.message').waitFor()
    expect(await page.locator('article.message .prose').textContent()).to.equal('one\ntwo')
  })

  it('[CON-5] a refused message stays with its reason, over a reload, until its author sends it again or discards it', async () => {
    const { contract_id } = await openContract(world.hub)
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page } = opened
    await page.getByRole('textbox', { name: 'Message' }).fill(`too large ${'x'.repeat(9_000)}`)
    await page.keyboard.press('Enter')
    const refused = page.locator('.outgoing .refused')
    // In words for a person, not by the fields of the answer.
    await refused.getByText('Not sent. The payload is too large. Send less at once: 8.2 KB at most.').waitFor()
    await page.reload()
    await refused.getByText(/Not sent\./).waitFor()
    await refused.getByRole('button', { name: 'Retry' }).click()
    await refused.getByText(/Not sent\./).waitFor()
    await refused.getByRole('button', { name: 'Discard' }).click()
    await refused.waitFor({ state: 'detached' })
    await page.reload()
    await page.locator('[role=feed] article').first().waitFor()
    expect(await refused.count()).to.equal(0)
  })

  it('[CON-6] a draft survives a reload, each room its own', async () => {
    const [first, second] = [await openContract(world.hub), await openContract(world.hub)]
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, first.contract_id)
    const box = opened.page.getByRole('textbox', { name: 'Message' })
    await box.fill('not finis')
    await openRoom(opened, world.hub, second.contract_id)
    expect(await box.inputValue()).to.equal('')
    await openRoom(opened, world.hub, first.contract_id)
    expect(await box.inputValue()).to.equal('not finis')
  })

  it('[CON-7] a call is one card: its text streams in, then its outcome and duration stand there', async () => {
    const provider = await registerAgent(world.hub, 'Scribe')
    const { contract_id } = await openContract(world.hub, { provider })
    const tool = (name: string) => ({ name, description: 'A tool', input_schema: true })
    const agent = await connectAgent(world.hub, provider, [tool('search'), tool('read')])
    const human = await speaker(world.hub, await operatorOf(world.hub), contract_id)
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page } = opened

    agent.socket.on('core.tool.call', (_call, ack) => ack({}))
    const asked = await human.must('tool.call', { contract_id, key: 'a', tool: 'search', input: { words: ['minutes'] } })
    const card = page.locator('article.call')
    await card.getByText('Running').waitFor()
    await agent.must('agent.tool.stream', { call_id: asked.call_id, seq: 1, chunk: 'first part, ' })
    await card.getByText('first part,').waitFor()
    await agent.must('agent.tool.stream', { call_id: asked.call_id, seq: 2, chunk: 'second part' })
    await card.getByText('first part, second part').waitFor()
    await agent.must('agent.tool.result', { call_id: asked.call_id, status: 'succeeded', output: { found: 3 } })
    await card.getByText('Succeeded').waitFor()
    expect(await card.textContent()).to.match(/search[\s\S]*Succeeded\s*[\d.]+ (ms|s)[\s\S]*\{"words":\["minutes"\]\}[\s\S]*\{"found":3\}/)

    const failing = await human.must('tool.call', { contract_id, key: 'b', tool: 'read', input: {} })
    const error = { code: 'FILE_MISSING', message: 'There is no such file' }
    await agent.must('agent.tool.result', { call_id: failing.call_id, status: 'failed', error })
    await card.nth(1).getByText('Failed').waitFor()
    expect(await card.nth(1).textContent()).to.match(/FILE_MISSING There is no such file/)
    expect(await card.count()).to.equal(2)

    // Opened later, the text is fetched when it is asked for.
    await page.reload()
    await card
      .first()
      .getByRole('button', { name: /Show streamed output/ })
      .click()
    await card.first().getByText('first part, second part').waitFor()
    expect(opened.faults).to.deep.equal([])
  })

  it('[CON-7] a running call is canceled after a question, by who may', async () => {
    const { contract_id, provider, requester } = await openContract(world.hub)
    const agent = await connectAgent(world.hub, provider, [{ name: 'sort', description: 'Sorts', input_schema: true }])
    agent.socket.on('core.tool.call', (_call, ack) => ack({}))
    const opened = await world.signedIn({ user: requester })
    await openRoom(opened, world.hub, contract_id)
    const { page, faults } = opened
    const caller = await speaker(world.hub, requester, contract_id)
    const { call_id } = await caller.must('tool.call', { contract_id, key: 'long', tool: 'sort', input: {}, timeout_ms: 3_600_000 })
    const card = page.locator('article.call')
    await card.getByText('Running').waitFor()
    await card.getByRole('button', { name: 'Cancel the call of sort' }).click()
    await page.getByRole('button', { name: 'Let it go on' }).click()
    expect(caller.events(contract_id).some(({ type }) => type === 'call.cancel_requested')).to.equal(false)
    await card.getByRole('button', { name: 'Cancel the call of sort' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel the call', exact: true }).click()
    await agent.next('core.tool.cancel', (cancel) => cancel.call_id === call_id)
    await caller.event(contract_id, 'call.cancel_requested')
    await card.locator('.call-state', { hasText: 'Canceled' }).waitFor()
    expect(await card.getByRole('button', { name: /^Cancel/ }).count()).to.equal(0)
    expect(faults).to.deep.equal([])
    for (const client of [agent, caller]) client.close()
  })

  it('[CON-8] a note says that only staff see it, and is a stub for the requester', async () => {
    const ada = await signUp(world.hub, ['requester'], 'Ada')
    const { contract_id } = await openContract(world.hub, { requester: ada })
    const [requester, staff] = await Promise.all([world.signedIn({ user: ada }), world.signedIn()])
    await Promise.all([openRoom(requester, world.hub, contract_id), openRoom(staff, world.hub, contract_id)])
    await staff.page.getByRole('checkbox', { name: /Note/ }).check()
    await staff.page.getByRole('textbox', { name: 'Note' }).fill('between us')
    await staff.page.keyboard.press('Enter')
    await staff.page.locator('article.note', { hasText: 'between us' }).getByText('Only staff').waitFor()
    await requester.page.getByText('A note for staff').waitFor()
    expect(await requester.page.getByText('between us').count()).to.equal(0)
    expect(await requester.page.getByRole('checkbox', { name: /Note/ }).count()).to.equal(0)
  })

  it('[CON-9] a contract ends after a confirmation, with its outcome, and then nothing can be written', async () => {
    const { contract_id } = await openContract(world.hub)
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page } = opened
    await page.getByRole('button', { name: 'End contract…' }).click()
    await page.getByRole('button', { name: 'Keep it open' }).click()
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await page.getByRole('button', { name: 'End contract…' }).click()
    await page.getByRole('radio', { name: /Canceled/ }).check()
    await page.getByRole('textbox', { name: /Reason/ }).fill('Not needed any more')
    await page.getByRole('dialog').getByRole('button', { name: 'End contract' }).click()
    await page.locator('article', { hasText: 'ended the contract: canceled — Not needed any more' }).waitFor()
    await page.getByText('The contract has ended.').waitFor()
    expect(await page.getByRole('textbox', { name: 'Message' }).count()).to.equal(0)
    await page.locator('.list-row', { hasText: 'Ended: canceled' }).waitFor()
  })

  it('[CON-9] what ends a contract or a call is not kept for later: without a connection it is refused, and nothing comes of it', async () => {
    const provider = await registerAgent(world.hub, 'Scribe')
    const { contract_id, requester } = await openContract(world.hub, { provider })
    const agent = await connectAgent(world.hub, provider, [{ name: 'search', description: 'Finds', input_schema: true }])
    agent.socket.on('core.tool.call', (_call, ack) => ack({}))
    const human = await speaker(world.hub, requester, contract_id)
    await human.must('tool.call', { contract_id, key: 'long', tool: 'search', input: {}, timeout_ms: 3_600_000 })
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page, context } = opened
    await page.locator('article.call').getByText('Running').waitFor()
    await page.locator('main.room:not(.is-stale)').waitFor()
    await context.setOffline(true)
    await page.locator('main.room.is-stale').waitFor()
    const dialog = page.getByRole('dialog')
    await page.getByRole('button', { name: 'End contract…' }).click()
    await dialog.getByRole('button', { name: 'End contract' }).click()
    await dialog.getByText('There is no connection to the hub. Nothing was done: try again when it is back.').waitFor()
    await dialog.getByRole('button', { name: 'Keep it open' }).click()
    await page.getByRole('button', { name: 'Cancel the call of search' }).click()
    await dialog.getByRole('button', { name: 'Cancel the call' }).click()
    await dialog.getByText('There is no connection to the hub. Nothing was done: try again when it is back.').waitFor()
    await dialog.getByRole('button', { name: 'Let it go on' }).click()
    await context.setOffline(false)
    await page.locator('main.room:not(.is-stale)').waitFor()
    await page.getByRole('textbox', { name: 'Message' }).fill('Still here')
    await page.keyboard.press('Enter')
    await human.event(contract_id, 'message.posted')
    const types = human.events(contract_id).map(({ type }) => type)
    expect(types.filter((type) => type === 'contract.ended' || type === 'call.cancel_requested')).to.deep.equal([])
    for (const client of [agent, human]) client.close()
  })

  it('[CON-11] where there is no room for both, list and room take turns, by the address', async () => {
    const { contract_id } = await openContract(world.hub)
    const opened = await world.signedIn({ viewport: { width: 360, height: 740 } })
    const { page } = opened
    await page.locator(`.list-row[href$="${contract_id}"]`).click()
    await page.waitForURL(`**/app/rooms/${contract_id}`)
    await page.locator('[role=feed] article').first().waitFor()
    expect(await page.locator('.list').isVisible()).to.equal(false)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).to.equal(360)
    await page.getByRole('link', { name: 'All rooms' }).click()
    await page.locator('.list').waitFor()
    expect(await page.locator('.room').isVisible()).to.equal(false)
    await page.setViewportSize({ width: 1_280, height: 740 })
    expect(await page.locator('.room').isVisible()).to.equal(true)
  })

  it('[CON-11] at 400 % zoom the timeline keeps a height to read in, and nothing is out of reach', async () => {
    const { contract_id } = await openContract(world.hub, {
      provider: await registerAgent(world.hub, 'An agent whose name takes three lines of the header'),
    })
    const opened = await world.signedIn({ viewport: { width: 320, height: 256 } })
    const { page } = opened
    await openRoom(opened, world.hub, contract_id)
    const frame = page.locator('.timeline-frame')
    expect((await frame.boundingBox())?.height).to.be.at.least(150)
    for (const part of [page.locator('.room-head'), frame, page.getByRole('textbox', { name: 'Message' })]) {
      await part.scrollIntoViewIfNeeded()
      const box = await part.boundingBox()
      expect(box && box.y + Math.min(box.height, 40) <= 256 && box.y + box.height > 0, 'is in view').to.equal(true)
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).to.equal(320)
  })

  it('[CON-16] what a search finds beside messages is told in words', async () => {
    const { contract_id } = await openContract(world.hub)
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    await opened.page.getByRole('button', { name: 'Search', exact: true }).click()
    await opened.page.getByRole('searchbox').fill('archive')
    await opened.page.locator('.search-results').getByText('Contract opened: Sort the archive', { exact: true }).waitFor()
  })

  it('[CON-12] who is here, who drives, and that the agent is gone', async () => {
    const provider = await registerAgent(world.hub, 'Scribe')
    const { contract_id } = await openContract(world.hub, { provider })
    const agent = await connectAgent(world.hub, provider)
    await agent.must('room.join', { contract_id })
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page } = opened
    await page.locator('.floor', { hasText: 'Agent Scribe is working' }).waitFor()
    const presence = page.getByRole('list', { name: 'In this room' })
    await presence.locator('li', { hasText: /Scribe\s*provider, here/ }).waitFor()
    await agent.must('room.leave', { contract_id })
    await presence.locator('li', { hasText: /Scribe\s*provider, away/ }).waitFor()
    await page.locator('.floor', { hasText: 'Scribe is not connected' }).waitFor()
  })

  it('[CON-13] an event that was seen at the end is told to the hub as read', async () => {
    const { contract_id, requester } = await openContract(world.hub)
    const other = await speaker(world.hub, requester, contract_id)
    const opened = await world.openPage()
    await opened.context.close()
    const reader = await world.signedIn()
    await openRoom(reader, world.hub, contract_id)
    const { seq } = await other.say('Read this')
    const operator = await operatorOf(world.hub)
    await other.next('presence', ({ changed = [] }) => changed.some(({ id, cursor }) => id === operator.id && cursor === seq))
  })
})
