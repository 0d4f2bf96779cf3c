import { MongoClient } from 'mongodb'
import { launchEmbedded } from '../../server/database/embedded/process/launch.ts'

/** Stands in for a hub that will be killed: launches, writes one document, tells the database's pid, and waits. */
const [directory = '', idleMs] = process.argv.slice(2)
const embedded = await launchEmbedded({ directory, ...(idleMs && { idleMs: Number(idleMs) }) })
const client = await MongoClient.connect(embedded.uri)
await client
  .db('t')
  .collection('rows')
  .insertOne({ _id: 'written by the hub' as never })
console.log(JSON.stringify({ pid: embedded.pid }))
