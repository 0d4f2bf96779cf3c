import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { api, openContract, registerAgent, signUp } from '../../harness/people.ts'
import { freePort, type HubProcess, startHubProcess } from '../../harness/processes/hub-process.ts'
import {
  around,
  ask,
  corpus,
  type Doors,
  type Secret,
  said,
  sayInRoom,
  throughBrokenPackets,
  throughRoutes,
  throughSockets,
} from './secret-doors.ts'

const OWN_FILES = ['secret', 'operator.token']
const PASSWORD = 'a-pAsSwOrD-that-nobody-may-see'

describe('secrets in the wrong place', function () {
  this.timeout(240_000)
  let hub: HubProcess
  let data_dir: string
  let doors: Doors

  before(async () => {
    data_dir = await mkdtemp(join(tmpdir(), 'parley-secrets-'))
    hub = await startHubProcess({ data_dir, port: await freePort(), env: { PARLEY_LOG_LEVEL: 'debug' } })
    doors = { url: hub.url, operator_token: hub.operator_token, answers: [] }
  })
  after(async () => {
    await hub.kill()
    await rm(data_dir, { recursive: true, force: true })
  })

  /** Every route of the hub as `GET /contracts/:id`, by its own document. */
  async function routesOf(): Promise<string[]> {
    const { body } = await api<{ paths: Record<string, object> }>(hub, 'GET', '/openapi.json')
    const methods = /^(get|post|put|patch|delete)$/
    return Object.entries(body.paths).flatMap(([path, row]) =>
      Object.keys(row)
        .filter((method) => methods.test(method))
        .map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
    )
  }

  /** Secrets that the hub itself makes, or is given where they belong. */
  async function ownSecrets(): Promise<string[]> {
    const email = `${randomUUID()}@parley.invalid`
    const body = { email, name: 'Ann', password: PASSWORD, roles: ['requester'] }
    await api(hub, 'POST', '/users', { body, bearer: hub.operator_token })
    const session = await api<Record<string, string>>(hub, 'POST', '/sessions', { body: { email, password: PASSWORD } })
    const link = await api<{ url: string }>(hub, 'POST', '/sign-in-links', { body: {}, bearer: hub.operator_token })
    const made = await registerAgent(hub, 'Keeper')
    const { access_token = '', refresh_token = '' } = session.body
    const files = await Promise.all(OWN_FILES.map((name) => readFile(join(data_dir, name), 'utf8')))
    return [
      PASSWORD,
      access_token,
      refresh_token,
      link.body.url.split('#token=')[1] ?? '',
      made.bearer,
      ...files.map((text) => text.trim()),
    ]
  }

  /** The bytes of every file that the hub left behind, but those that are for its own secrets. */
  async function bytesOnDisk(): Promise<string> {
    const names = await readdir(data_dir, { recursive: true, withFileTypes: true })
    const files = names.filter((file) => file.isFile() && !OWN_FILES.includes(file.name))
    return (await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1')))).join('\n')
  }

  it('[AUDIT-18] none comes out of any door, in the log, the trail, an answer or the bytes of the database; a planted control does', async () => {
    const own = await ownSecrets()
    const opened = await openContract(hub)
    const clients = await sayInRoom(doors, opened, said)
    const routes = await routesOf()
    expect(routes).to.include.members(['GET /audit', 'POST /contracts', 'DELETE /agents/:id/keys/:key_id'])
    const through = async (secret: Secret) => {
      await throughRoutes(doors, routes, secret)
      await throughSockets(doors, await registerAgent(hub), secret)
      await throughBrokenPackets(doors, secret)
    }
    await Promise.all(corpus.map(through))
    const control = `control-${randomUUID()}`
    await ask(doors, { method: 'GET', path: `/nowhere/${control}` })
    await api(hub, 'POST', '/agents', { body: { name: control } })
    await signUp(hub)
    const bearer = { headers: { authorization: `Bearer ${hub.operator_token}` } }
    const trail = await (await fetch(`${hub.url}/audit/export`, bearer)).text()
    for (const client of clients) client.close()
    expect(await hub.stop()).to.equal(0)
    const places = {
      answers: doors.answers.join('\n'),
      log: [...hub.log, ...hub.errors].join('\n'),
      trail,
      'database files': await bytesOnDisk(),
    }
    for (const [place, text] of Object.entries(places)) {
      expect(text.includes(control), `the control in the ${place}`).to.equal(true)
      const isContent = place === 'database files'
      // What was said in a room lies there, and proves that the bytes can be read.
      if (isContent) expect(text.includes(said.text), 'what was said').to.equal(true)
      const marks = [...corpus.map(({ mark }) => mark), ...own, ...(isContent ? [] : [said.mark])]
      for (const mark of marks)
        expect(text.includes(mark) ? `${mark} is in the ${place}: ${around(text, mark)}` : 'not there').to.equal('not there')
    }
  })
})
