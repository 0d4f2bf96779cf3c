import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'chai'
import { fileStorage } from '../../../client/sdk/file-storage.ts'
import { browserStorage, type OutboxEntry } from '../../../client/sdk/index.ts'
import { bodies, useWorld } from './sdk-world.ts'

const entry = (id: string): OutboxEntry => ({
  ...{ id, owner: 'o', contract_id: 'c', frame: 'message.post', at: '2026-11-20T10:00:00.000Z' },
  payload: { contract_id: 'c', key: id, body: `body ${id}` },
})

describe('storages of the sdk', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-sdk-'))
    path = join(folder, 'deep', 'outbox.json')
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('[SDK-26] a file holds what was put and not removed, for the next process, and for the owner alone', async () => {
    const storage = fileStorage(path)
    await Promise.all(['1', '2', '3'].map((id) => storage.put(entry(id))))
    await storage.remove('2')
    expect(await fileStorage(path).load()).to.deep.equal([entry('1'), entry('3')])
    expect((await stat(path)).mode & 0o777).to.equal(0o600)
    expect(await readdir(join(folder, 'deep'))).to.deep.equal(['outbox.json'])
  })

  it('[SDK-26] what put resolved survives kill -9 at any moment', async () => {
    const script = `
      import { fileStorage } from ${JSON.stringify(import.meta.resolve('../../../client/sdk/file-storage.ts'))}
      const storage = fileStorage(${JSON.stringify(path)})
      for (let id = 100; ; id += 1) {
        await storage.put({ ...${JSON.stringify(entry('x'))}, id: String(id) })
        console.log(id)
      }`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const safe: string[] = []
    for await (const line of createInterface(child.stdout)) {
      safe.push(line)
      if (safe.length === 25) child.kill('SIGKILL')
    }
    const loaded = (await fileStorage(path).load()).map(({ id }) => id)
    expect(loaded).to.include.members(safe)
    await fileStorage(path).put(entry('after'))
  })

  it('[SDK-26] a spoiled file is not overwritten', async () => {
    path = join(folder, 'outbox.json')
    for (const text of ['{"half": ', '{}', '[{"id": 1}]']) {
      await writeFile(path, text)
      const storage = fileStorage(path)
      const faults = await Promise.allSettled([(async () => storage.load())(), (async () => storage.put(entry('1')))()])
      expect(faults.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
      expect(await readFile(path, 'utf8')).to.equal(text)
    }
  })

  it('[SDK-26] localStorage holds each entry under its own name, and passes over what is not one', async () => {
    const store = fakeLocalStorage({ theme: 'dark', 'parley.outbox.spoiled': '{', 'parley.outbox.other': '7' })
    const [tab, other] = [browserStorage(store), browserStorage(store)]
    await tab.put(entry('1'))
    await other.put(entry('2'))
    await tab.put(entry('3'))
    await other.remove('3')
    expect(await browserStorage(store).load()).to.deep.equal([entry('1'), entry('2')])
    expect(store.getItem('theme')).to.equal('dark')
  })

  describe('with a hub', () => {
    const w = useWorld()

    it('[SDK-2] a process that dies with frames in its file has them sent by the next one', async () => {
      const contract_id = w.hub.openContract()
      const first = await w.join({ storage: fileStorage(path) })
      const room = await first.sdk.room(contract_id)
      w.hub.next('message.post', { lose: 'ack' })
      const arrival = w.hub.arrival('message.post')
      const left = Promise.allSettled(['one', 'two'].map((body) => room.post(body)))
      await arrival
      await first.sdk.close()
      await left
      const { sdk } = await w.join({ storage: fileStorage(path) })
      await (await sdk.room(contract_id)).post('three')
      expect(bodies(w.hub.log(contract_id).events)).to.deep.equal(['one', 'two', 'three'])
      await sdk.close()
      expect(await fileStorage(path).load()).to.deep.equal([])
    })
  })
})

/** Node has no localStorage; this one has the four members that are used, and names as own properties like a browser's. */
function fakeLocalStorage(items: Record<string, string>): Storage {
  const members = {
    getItem: (name: string) => items[name] ?? null,
    setItem: (name: string, value: string) => void Reflect.set(items, name, value),
    removeItem: (name: string) => void Reflect.deleteProperty(items, name),
  }
  const handler: ProxyHandler<Record<string, string>> = {
    get: (_, name) => Reflect.get(members, name) ?? Reflect.get(items, name),
  }
  return new Proxy(items, handler) as unknown as Storage
}
