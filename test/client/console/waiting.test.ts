import { expect } from 'chai'
import type { Page, Request } from 'playwright-core'
import { api, registerAgent } from '../../harness/people.ts'
import { until } from './console-world.ts'
import { useConsole } from './use-console.ts'

const problem = {
  ...{ type: 'urn:parley:error:RATE_LIMITED', code: 'RATE_LIMITED', title: 'Too many frames or requests', status: 429, instance: '/' },
  ...{ fix: 'Wait.', retry: 'later', correlation_id: 'abc' },
}

describe('console: a hub that asks for a pause', () => {
  const world = useConsole()

  /** Answers the next request of a method and path by 429, and so on as long as there are headers; everything else reaches the hub. */
  async function refuse(page: Page, method: string, path: string, each: Record<string, string>[]): Promise<Request[]> {
    const seen: Request[] = []
    await page.route(
      (url) => url.pathname === path,
      async (route) => {
        const request = route.request()
        if (request.method() !== method || request.resourceType() === 'document') return route.fallback()
        seen.push(request)
        const headers = each[seen.length - 1]
        if (headers === undefined) return route.fallback()
        await route.fulfill({ status: 429, contentType: 'application/problem+json', headers, body: JSON.stringify(problem) })
      },
    )
    return seen
  }

  /** The page's own time is moved by hand. */
  async function opened() {
    const { page, faults } = await world.signedIn()
    await page.clock.install()
    return { page, faults, note: page.locator('.waiting:visible', { hasText: 'Waiting' }) }
  }

  /** The seconds that stand there. They go on by themselves, too. */
  async function seconds(page: Page): Promise<number> {
    const text = await page.locator('.waiting span[aria-hidden=true]').last().textContent()
    return Number(/Waiting (\d+) s/.exec(text ?? '')?.[1])
  }
  const agents = async () =>
    (await api<{ items: { name: string }[] }>(world.hub, 'GET', '/agents', { bearer: world.hub.operator_token })).body.items

  it('[CON-36] a read waits as long as it was asked to, says so, and goes on by itself', async () => {
    await registerAgent(world.hub, 'Scribe')
    const { page, note, faults } = await opened()
    const asked = await refuse(page, 'GET', '/agents', [{ 'retry-after': '60' }, { ratelimit: '"read";r=0;t=20' }])
    await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Agents' }).click()
    await note.waitFor()
    const first = await seconds(page)
    expect(first).to.be.within(1, 60)
    expect(asked).to.have.length(1)
    await page.clock.fastForward(10_000)
    await until(
      () => seconds(page),
      (left) => left <= first - 10,
    )
    expect(asked).to.have.length(1)
    await page.clock.fastForward(61_000)
    await until(
      async () => asked.length,
      (count) => count >= 2,
    )
    // The answer is on its way: time goes on once it has come.
    await note.waitFor()
    await page.clock.fastForward(21_000)
    await page.locator('.item', { hasText: 'Scribe' }).waitFor()
    await note.waitFor({ state: 'detached' })
    expect([asked.length, faults]).to.deep.equal([3, []])
  })

  it('[CON-36] a person stops the waiting and is told what it was; too long a pause, and too many, are told at once', async () => {
    const { page, note } = await opened()
    const asked = await refuse(page, 'GET', '/agents', [
      { 'retry-after': '60' },
      { 'retry-after': '900' },
      ...Array(4).fill({ 'retry-after': '60' }),
    ])
    await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Agents' }).click()
    await note.getByRole('button', { name: 'Stop waiting' }).click()
    await page.locator('.trouble', { hasText: 'Too many frames or requests' }).waitFor()
    expect(asked).to.have.length(1)
    await page.getByRole('button', { name: 'Retry' }).click()
    await until(
      async () => asked.length,
      (count) => count >= 2,
    )
    await page.locator('.trouble').waitFor()
    expect(await note.count()).to.equal(0)
    await page.getByRole('button', { name: 'Retry' }).click()
    for (const count of [3, 4, 5, 6]) {
      await until(
        async () => asked.length,
        (now) => now >= count,
      )
      if (count < 6) await note.waitFor()
      await page.clock.fastForward(61_000)
    }
    await page.locator('.trouble').waitFor()
    expect(asked).to.have.length(6)
  })

  it('[CON-36] what makes something waits in its dialog and goes again under one key; who closes the dialog makes nothing', async () => {
    const { page, note, faults } = await opened()
    await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Agents' }).click()
    const asked = await refuse(page, 'POST', '/agents', [{ 'retry-after': '60' }, { 'retry-after': '60' }])
    const register = async (name: string) => {
      await page.getByRole('button', { name: 'Register…' }).click()
      await page.getByLabel('Name', { exact: true }).fill(name)
      await page.getByRole('dialog').getByRole('button', { name: 'Register', exact: true }).click()
      await page.getByRole('dialog').locator('.waiting', { hasText: 'Waiting' }).waitFor()
    }
    await register('Given up')
    await page.keyboard.press('Escape')
    await note.waitFor({ state: 'detached' })
    await page.clock.fastForward(61_000)
    await register('Patient')
    await page.clock.fastForward(61_000)
    await page.getByLabel('API key').waitFor()
    const keys = asked.map((request) => request.headers()['idempotency-key'])
    expect(keys).to.have.length(3)
    expect(keys[1])
      .to.match(/^[\w-]{36}$/)
      .and.equal(keys[2])
      .and.not.equal(keys[0])
    expect((await agents()).map(({ name }) => name).filter((name) => name !== 'Scribe')).to.deep.equal(['Patient'])
    expect(faults).to.deep.equal([])
  })
})
