import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import mongoose from 'mongoose'
import { createAgentKeys, type Who } from '../../../server/features/identity/keys/agent-keys.ts'
import type { KeyEndings } from '../../../server/features/identity/keys/key-endings.ts'
import type { KeyRegister } from '../../../server/features/identity/keys/key-register.ts'
import type { KeyUses } from '../../../server/features/identity/keys/key-uses.ts'
import { createSecrets } from '../../../server/features/identity/keys/secrets.ts'
import { createModel } from '../../../server/features/identity/model.ts'
import { type Audit, noAudit } from '../../../server/pipeline/audit.ts'
import { createManualClock } from '../../harness/clock.ts'
import { testDatabase } from '../../harness/hub.ts'

describe('rotation of keys, in the moment of a first use', () => {
  it('[KEY-14] a grace that began while its key is rotated once more goes on as it began', async () => {
    const connection = await mongoose.createConnection(await testDatabase(), { dbName: `keys_${randomUUID().slice(0, 8)}` }).asPromise()
    const model = createModel(connection)
    const clock = createManualClock()
    let meanwhile = async () => {}
    // Called behind the look at the key, and before anything is written.
    const audit: Audit = { ...noAudit, recordNow: async () => meanwhile().then(() => '') }
    const keys = createAgentKeys({
      ...{ model, clock, audit, secrets: createSecrets('secret'.repeat(8)), dev_mode: false, lookAt: async () => {} },
      // The casts hold: what is asked here counts and ends nothing.
      register: { add: async () => {} } as unknown as KeyRegister,
      uses: { note: () => {} } as unknown as KeyUses,
      endings: { close: async () => {} } as unknown as KeyEndings,
    })
    const who: Who = { by: { kind: 'agent', id: 'ada' }, asked: { actor: { type: 'agent', id: 'ada' } } }
    const old = await keys.issue('ada', { name: 'Night', scopes: [], expires_at: null }, who, { id: 'one', again: false })
    const read = async () => {
      const row = await keys.find('ada', old.key_id)
      if (row === undefined) throw new Error('the key is gone')
      return row
    }
    const next = await keys.rotate(await read(), { grace_ms: 60_000, id: 'two', again: false }, who)
    const first_use_ms = clock.now()
    meanwhile = async () => {
      meanwhile = async () => {}
      await keys.use(next.api_key ?? '')
    }
    await keys.rotate(await read(), { grace_ms: 60_000, id: 'three', again: false }, who)
    const { rotated_to, in_grace, expires_at } = await read()
    expect({ rotated_to, in_grace, expires_at }).to.deep.equal({
      rotated_to: { key_id: 'three', at: new Date(first_use_ms) },
      in_grace: true,
      expires_at: new Date(first_use_ms + 60_000),
    })
    await connection.dropDatabase()
    await connection.close()
  })
})
