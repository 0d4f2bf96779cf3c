import type { Browser, BrowserContext, BrowserContextOptions } from 'playwright-core'
import { startHub, type TestHub, type TestHubOptions } from '../../harness/hub.ts'
import type { Person } from '../../harness/people.ts'
import { buildConsole, launchBrowser, openPage, type Reach, signedIn, type Watched } from './console-world.ts'

type PageOptions = BrowserContextOptions & { user?: Pick<Person, 'id'> }

let browser: Promise<Browser> | undefined

// Of the run, not of one describe: one browser serves all tests, each in contexts of its own.
after(async () => {
  await (await browser)?.close()
  browser = undefined
})

/** For the tests of a describe: a built console, a browser, and pages that are closed when the test that opened them ends. */
export function usePages() {
  const opened: BrowserContext[] = []
  let launched: Browser

  before(async () => {
    browser ??= launchBrowser()
    ;[launched] = await Promise.all([browser, buildConsole()])
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((context) => context.close()))
  })

  async function kept(page: Promise<Watched>): Promise<Watched> {
    const { context } = await page
    opened.push(context)
    return page
  }

  return {
    openPage: (options?: BrowserContextOptions) => kept(openPage(launched, options)),
    /** A browser of its own in which the user, or the operator, is signed in. */
    signedIn: (hub: Reach, options?: PageOptions) => kept(signedIn(launched, hub, options)),
  }
}

/** The same, and a hub, which is there once the tests and hooks of the describe run. */
export function useConsole(options: TestHubOptions = {}) {
  const pages = usePages()
  let hub: TestHub

  before(async () => {
    hub = await startHub(options)
  })
  after(() => hub?.close())

  return {
    get hub() {
      return hub
    },
    openPage: pages.openPage,
    signedIn: (given?: PageOptions) => pages.signedIn(hub, given),
  }
}
