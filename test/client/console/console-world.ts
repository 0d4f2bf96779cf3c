import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { TestHub } from '../../harness/hub.ts'
import { api, type Client, connectAs, type Person } from '../../harness/people.ts'
import { viteBuild } from '../../harness/processes/vite-build.ts'

export type Reach = Pick<TestHub, 'url' | 'operator_token'>

const CONSOLE = fileURLToPath(new URL('../../../client/console', import.meta.url))
export const DIST = `${CONSOLE}/dist`

let built: Promise<unknown> | undefined

/** The console as the hub serves it, made once for all tests of the process. */
export function buildConsole(): Promise<unknown> {
  built ??= viteBuild({ root: CONSOLE, configFile: `${CONSOLE}/vite.config.ts`, logLevel: 'warn' })
  return built
}

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking']

/** A real Chromium. One that is missing fails the test: what was not seen in a browser is not known to work in one. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = process.env['PARLEY_CHROMIUM'] ?? '/usr/bin/chromium'
  if (!existsSync(executablePath)) {
    throw new Error(`There is no browser at ${executablePath}. Install one (apt-get install -y chromium), or name one: PARLEY_CHROMIUM=…`)
  }
  return chromium.launch({ executablePath, headless: true, args: [...FLAGS, '--disable-component-update', '--disable-sync'] })
}

/** A page, and what went wrong in it: uncaught errors, and what the content policy stopped. */
export interface Watched {
  page: Page
  context: BrowserContext
  faults: string[]
}

export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', ...options })
  // Half of what mocha gives a test: a busy machine may take a while to draw a page.
  context.setDefaultTimeout(60_000)
  return watch(context, await context.newPage())
}

export async function watch(context: BrowserContext, page: Page): Promise<Watched> {
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  await page.exposeFunction('tellFault', (what: string) => faults.push(what))
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => {
      Reflect.get(window, 'tellFault')(`policy: ${violatedDirective} ${blockedURI} ${sample}`)
    })
  })
  return { page, context, faults }
}

export async function signInLink(hub: Reach, user?: Pick<Person, 'id'>): Promise<string> {
  const body = user === undefined ? {} : { user_id: user.id }
  const answer = await api<{ url: string }>(hub, 'POST', '/sign-in-links', { body, bearer: hub.operator_token })
  if (answer.status !== 201) throw new Error(`no sign-in link: ${JSON.stringify(answer.body)}`)
  return answer.body.url
}

/** A browser of its own in which the user, or the operator, is signed in. */
export async function signedIn(
  browser: Browser,
  hub: Reach,
  { user, ...options }: BrowserContextOptions & { user?: Pick<Person, 'id'> } = {},
) {
  const opened = await openPage(browser, options)
  await opened.page.goto(await signInLink(hub, user))
  await opened.page.waitForURL('**/app/rooms')
  return opened
}

export async function openRoom({ page }: Watched, hub: Reach, contract_id: string, query = ''): Promise<void> {
  await page.goto(`${hub.url}/app/rooms/${contract_id}${query}`)
  await page.locator('[role=feed] article').first().waitFor()
}

export async function operatorOf(hub: Reach): Promise<Person> {
  const { body } = await api<{ id: string }>(hub, 'GET', '/me', { bearer: hub.operator_token })
  return { id: body.id, auth: { token: hub.operator_token }, bearer: hub.operator_token }
}

/** A bare client in the room, which posts in order. */
export async function speaker(hub: Reach, person: Person, contract_id: string) {
  const client = await connectAs(hub, person)
  await client.must('room.join', { contract_id })
  let count = 0
  const say = (body: string, visibility: 'all' | 'staff' = 'all') =>
    client.must('message.post', { contract_id, key: `${person.id}:${Date.now()}:${++count}`, body, visibility })
  return { ...client, say } satisfies Client & { say: unknown }
}

/** The seqs of all rows on the page, from the first to the last. */
export function seqsOn(page: Page): Promise<number[]> {
  return page.locator('[role=feed] article').evaluateAll((rows) => rows.map((row) => Number(row.getAttribute('data-seq'))))
}

/** Waits until `look` says so, and shows what it saw when it never does. */
export async function until<T>(look: () => Promise<T>, isRight: (seen: T) => boolean, patience_ms = 60_000): Promise<T> {
  const end = Date.now() + patience_ms
  for (;;) {
    const seen = await look()
    if (isRight(seen)) return seen
    if (Date.now() > end) throw new Error(`waited in vain; saw ${JSON.stringify(seen)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
