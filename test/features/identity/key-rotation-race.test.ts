import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import mongoose from 'mongoose'
import { createAgentKeys, type Who } from '../../../server/features/identity/keys/agent-keys.ts'
import { createKeyEndings, type KeyEndings, type KeyEnds } from '../../../server/features/identity/keys/key-endings.ts'
import type { KeyRegister } from '../../../server/features/identity/keys/key-register.ts'
import type { KeyUses } from '../../../server/features/identity/keys/key-uses.ts'
import { createSecrets } from '../../../server/features/identity/keys/secrets.ts'
import { createModel } from '../../../server/features/identity/model.ts'
import { type Audit, noAudit } from '../../../server/pipeline/audit.ts'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { createManualClock } from '../../harness/clock.ts'
import { testDatabase } from '../../harness/hub.ts'

const who: Who = { by: { kind: 'agent', id: 'ada' }, asked: { actor: { type: 'agent', id: 'ada' } } }

describe('rotation of keys, in the moment of a first use', () => {
  let connection: mongoose.Connection
  let world: Awaited<ReturnType<typeof rotatedOnce>>

  beforeEach(async () => {
    connection = await mongoose.createConnection(await testDatabase(), { dbName: `keys_${randomUUID().slice(0, 8)}` }).asPromise()
    world = await rotatedOnce()
  })
  afterEach(async () => {
    await connection.dropDatabase()
    await connection.close()
  })

  /** The key `one`, and `two` which replaces it and was never used. What ends is in `ended`. */
  async function rotatedOnce() {
    const model = createModel(connection)
    const clock = createManualClock()
    const ended: string[] = []
    /** Run once each: behind a rotation's look at the key; in a first use, between its look at the old key and what it makes of it. */
    const hooks = { inRotation: async () => {}, inFirstUse: async () => {} }
    const once = async (hook: keyof typeof hooks) => {
      const run = hooks[hook]
      hooks[hook] = async () => {}
      await run()
    }
    const audit: Audit = { ...noAudit, recordNow: () => once('inRotation').then(() => '') }
    const keys = createAgentKeys({
      ...{ model, clock, audit, secrets: createSecrets('secret'.repeat(8)), dev_mode: false },
      lookAt: async ({ key_id }) => (key_id === 'one' ? once('inFirstUse') : undefined),
      // The casts hold: what is asked here counts nothing, and tells nobody.
      register: { add: async () => {} } as unknown as KeyRegister,
      uses: { note: () => {} } as unknown as KeyUses,
      endings: {
        tellNew: async () => {},
        close: async ({ _id }: { _id: string }) => {
          ended.push(_id)
          await model.agentKeys.updateOne({ _id }, { $set: { status: 'revoked' } })
        },
      } as unknown as KeyEndings,
    })
    const read = async (id: string) => {
      const row = await keys.find('ada', id)
      if (row === undefined) throw new Error(`the key ${id} is gone`)
      return row
    }
    await keys.issue('ada', { name: 'Night', scopes: [], expires_at: null }, who, { id: 'one', again: false })
    const rotate = async (to: string) => keys.rotate(await read('one'), { grace_ms: 60_000, id: to, again: false }, who)
    const two = String((await rotate('two')).api_key)
    return { model, keys, clock, hooks, ended, read, rotate, two }
  }

  it('[KEY-14] a replacement that comes into use while its key is rotated once more goes on, and so does the grace: the rotation is refused', async () => {
    const { keys, clock, hooks, ended, read, rotate, two } = world
    const first_use_ms = clock.now()
    hooks.inRotation = async () => void (await keys.use(two))
    const refused = await rotate('three').catch((thrown: unknown) => thrown)
    expect(refused).to.be.instanceOf(ParleyError).and.deep.include({ code: 'KEY_NOT_ACTIVE' })
    expect((refused as ParleyError).facts).to.deep.include({ key_id: 'two' })
    expect(ended).to.deep.equal([])
    expect((await keys.use(two))?._id).to.equal('two')
    const { rotated_to, in_grace, expires_at } = await read('one')
    expect({ rotated_to, in_grace, expires_at }).to.deep.equal({
      rotated_to: { key_id: 'two', at: new Date(first_use_ms) },
      in_grace: true,
      expires_at: new Date(first_use_ms + 60_000),
    })
    expect(await keys.find('ada', 'three')).to.equal(undefined)
  })

  it('[KEY-15] one that is replaced in the moment of its first use is refused, and begins no grace', async () => {
    const { keys, hooks, ended, read, rotate, two } = world
    let three: string | undefined
    hooks.inFirstUse = async () => {
      three = (await rotate('three')).api_key
    }
    expect(await keys.use(two)).to.equal(undefined)
    expect(ended).to.deep.equal(['two'])
    const { rotated_to, in_grace } = await read('one')
    expect({ rotated_to, in_grace }).to.deep.equal({ rotated_to: { key_id: 'three' }, in_grace: undefined })
    expect((await read('two')).activated_at).to.equal(null)
    expect((await keys.use(String(three)))?._id).to.equal('three')
  })

  it('[KEY-15] of two rotations at once the later one stands, and its key is the one that is good', async () => {
    const { keys, hooks, read, rotate } = world
    let four: string | undefined
    hooks.inRotation = async () => {
      four = (await rotate('four')).api_key
    }
    const three = (await rotate('three')).api_key
    expect((await read('one')).rotated_to).to.deep.equal({ key_id: 'three' })
    expect(await keys.use(String(four))).to.equal(undefined)
    expect((await keys.use(String(three)))?._id).to.equal('three')
  })

  it('[PERM-17] a new key that a hub could not tell is told by whoever looks at it next, and then no more', async () => {
    const { model, clock, read } = world
    const told: object[] = []
    let isAway = true
    const troubles: string[] = []
    const ends = {
      tellNew: async (key: object) => {
        if (isAway) throw new Error('away')
        told.push(key)
      },
    } as unknown as KeyEnds
    const onTrouble = (what: string) => void troubles.push(what)
    const endings = createKeyEndings({ model, ends, clock, onTrouble, audit: noAudit, register: {} as KeyRegister })
    const due_ms = clock.now() + 86_400_000
    await model.agentKeys.updateOne({ _id: 'two' }, { $set: { profile: { allowed_tools: [] }, expires_at: new Date(due_ms) } })
    await endings.tellNew(await read('two'))
    expect(troubles).to.deep.equal(['a new key was not told'])
    isAway = false
    expect(await endings.settle('two'), 'and looks again when it expires').to.deep.equal({ due_ms })
    expect(told).to.deep.equal([{ key_id: 'two', agent_id: 'ada', bounds: ['allowed_tools'] }])
    await endings.settle('two')
    expect(told.length).to.equal(1)
  })
})
