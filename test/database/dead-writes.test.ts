import { Socket } from 'node:net'
import { expect } from 'chai'
import type { Connection } from 'mongoose'
import { isOutOfReach } from '../../server/core/out-of-reach.ts'
import { connectDatabase } from '../../server/database/connect.ts'
import { testDatabase } from '../harness/hub.ts'
import { createDatabaseProxy, type DatabaseProxy } from '../pipeline/log/database-proxy.ts'
import { until } from '../scenarios/stage.ts'

// Asked in vain a ping gives up after 2 s. Without that bound the driver waits for its socket: 20 s, and three more to find a server.
const LONGEST_PING_MS = 15_000

describe('the connection to the database', () => {
  let proxy: DatabaseProxy
  let connection: Connection
  let ping: () => Promise<boolean>
  before(async () => {
    proxy = await createDatabaseProxy(await testDatabase())
    ;({ connection, ping } = await connectDatabase(proxy.uri, { kind: 'mongodb', name: 'dead_writes' }))
  })
  after(async () => {
    await connection.dropDatabase()
    await connection.close()
    await proxy.close()
  })

  it('[FAULT-9] an operation on a connection that closes as it is written to ends, as one that did not reach the database', async () => {
    const collection = connection.collection('things')
    await collection.insertOne({ name: 'before' })
    const write = Socket.prototype.write
    let closed = 0
    // The other side went a moment ago: the socket is closing, and says so to nobody but who listens for `close`.
    Socket.prototype.write = function (this: Socket, ...args: Parameters<Socket['write']>) {
      if (Buffer.isBuffer(args[0]) && args[0].includes('closing in this moment')) {
        closed++
        this.destroy()
      }
      return write.apply(this, args)
    } as typeof write
    try {
      const error = await collection.insertOne({ name: 'closing in this moment' }).then(
        () => undefined,
        (cause: unknown) => cause,
      )
      expect(closed).to.equal(1)
      expect(isOutOfReach(error), String(error)).to.equal(true)
    } finally {
      Socket.prototype.write = write
    }
    await collection.insertOne({ name: 'after' })
    expect(await collection.find().project({ _id: 0 }).toArray()).to.deep.equal([{ name: 'before' }, { name: 'after' }])
  })

  it('[FAULT-9] whether it answers is said in time while it is frozen, and again when it is back', async () => {
    expect(await ping()).to.equal(true)
    proxy.freeze()
    const began = performance.now()
    expect(await ping()).to.equal(false)
    expect(performance.now() - began).to.be.below(LONGEST_PING_MS)
    proxy.mend()
    await until('it is back', ping)
  })
})
