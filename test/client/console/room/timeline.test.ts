import { expect } from 'chai'
import { openContract, signUp } from '../../../harness/people.ts'
import { openRoom, seqsOn, speaker, until } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

const EVENTS = 600

describe('console: a long timeline', () => {
  const world = useConsole({ limits: { frames_per_s: 10_000, frames_burst: 10_000 } })
  let contract_id: string
  let ada: Awaited<ReturnType<typeof speaker>>

  before(async () => {
    const requester = await signUp(world.hub, ['requester'], 'Ada')
    ;({ contract_id } = await openContract(world.hub, { requester }))
    ada = await speaker(world.hub, requester, contract_id)
    for (let at = 2; at <= EVENTS; at += 1) await ada.say(`Event ${at}${at % 7 === 0 ? `\n${'with more to say '.repeat(at % 40)}` : ''}`)
  })

  it('[CON-14] older pages come in front without moving what is read, and show every event once', async () => {
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page } = opened
    expect((await seqsOn(page)).at(-1)).to.equal(EVENTS)
    const shifts: number[] = []
    while (((await seqsOn(page))[0] ?? 1) > 1) {
      shifts.push(
        await page.evaluate(async () => {
          const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))
          const scroller = document.querySelector('.timeline')
          const feed = document.querySelector('[role=feed]')
          if (scroller === null || feed === null) throw new Error('no timeline')
          const first = () => feed.firstElementChild?.getAttribute('data-seq')
          const before = first()
          scroller.scrollTop = 30
          const row = feed.children[3]
          const top = row?.getBoundingClientRect().top ?? 0
          while (first() === before) await frame()
          await frame()
          await frame()
          return Math.abs((row?.getBoundingClientRect().top ?? 0) - top)
        }),
      )
    }
    expect(shifts).to.have.length.above(3)
    expect(Math.max(...shifts), JSON.stringify(shifts)).to.be.at.most(1)
    expect(await seqsOn(page)).to.deep.equal(Array.from({ length: EVENTS }, (_, at) => at + 1))
    expect(opened.faults).to.deep.equal([])
  })

  it('[CON-15] a reader elsewhere is not moved by news; a button counts them and leads there', async () => {
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page } = opened
    const scroller = page.locator('.timeline')
    const place = () => page.evaluate(() => document.querySelector('.timeline')?.scrollTop ?? 0)
    const gap = () => scroller.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight)
    expect(await until(gap, (px) => px <= 1)).to.be.at.most(1)
    await ada.say('Seen at the end')
    await page.getByText('Seen at the end').waitFor()
    expect(await until(gap, (px) => px <= 1)).to.be.at.most(1)

    await scroller.hover()
    // A wheel's way is drawn: where the reader is stands only at its end.
    const ended = await scroller.evaluateHandle((element) => {
      return { end: new Promise((resolve) => element.addEventListener('scrollend', resolve, { once: true })) }
    })
    await page.mouse.wheel(0, -700)
    await ended.evaluate(({ end }) => end.then(() => undefined))
    await page.getByRole('button', { name: 'Newest' }).waitFor()
    const before = await place()
    await ada.say('News one')
    await ada.say('News two')
    await page.getByRole('button', { name: '2 new events' }).waitFor()
    expect(await place()).to.equal(before)
    await page.getByRole('button', { name: '2 new events' }).click()
    await until(gap, (px) => px <= 1)
    await page.getByRole('button', { name: /new event|Newest/ }).waitFor({ state: 'detached' })

    // Who writes wants to see what becomes of it.
    await page.mouse.wheel(0, -700)
    await page.getByRole('button', { name: 'Newest' }).waitFor()
    await page.getByRole('textbox', { name: 'Message' }).fill('one\ntwo\nthree')
    await page.keyboard.press('Enter')
    await page.locator('article', { hasText: 'one two three' }).waitFor()
    await until(gap, (px) => px <= 1)
    await page.getByRole('button', { name: /new event|Newest/ }).waitFor({ state: 'detached' })
  })

  it('[CON-16] a link and a search result lead to their event, however far back', async () => {
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id, '?e=42')
    const { page } = opened
    const target = page.locator('article.target')
    await target.waitFor()
    expect(await target.getAttribute('data-seq')).to.equal('42')
    await until(() => target.evaluate((row) => row === document.activeElement && row.getBoundingClientRect().top > 0), Boolean)

    await page.getByRole('button', { name: 'Search', exact: true }).click()
    await page.getByRole('searchbox').fill('Event 300')
    await page.locator('.search-results a').first().click()
    await page.waitForURL('**?e=300')
    await page.locator('article.target[data-seq="300"]').waitFor()

    await page.getByRole('button', { name: /Newest|new event/ }).click()
    await page.locator('article', { hasText: 'News two' }).waitFor()
    expect(page.url()).to.not.contain('e=')
    // From the past back to the present without a hole.
    const seqs = await seqsOn(page)
    expect(seqs).to.deep.equal(Array.from(seqs, (_, at) => (seqs[0] ?? 0) + at))
  })

  it('[CON-17] the keyboard moves along the events', async () => {
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page } = opened
    const focused = () => page.evaluate(() => Number(document.activeElement?.getAttribute('data-seq')))
    await page.locator('[role=feed]').focus()
    await page.keyboard.press('PageUp')
    const start = await focused()
    await page.keyboard.press('PageUp')
    await page.keyboard.press('k')
    expect(await focused()).to.equal(start - 2)
    await page.keyboard.press('PageDown')
    expect(await focused()).to.equal(start - 1)
    await page.keyboard.press('Enter')
    await page.waitForURL(`**?e=${start - 1}`)
  })
})
