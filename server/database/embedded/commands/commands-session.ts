import { MongoRefusal } from '../errors.ts'
import { MAX_DOCUMENT_BYTES } from '../values/value.ts'
import { MAX_MESSAGE_BYTES } from '../wire/wire.ts'
import type { CommandRow, CommandRun } from './commands.ts'
import { okReply } from './reply.ts'

export const MAX_BATCH = 100_000

// Looks like a standalone MongoDB 7.0: no set name, so drivers neither retry writes nor open transactions.
const hello: CommandRun = (_engine, command, caller) =>
  okReply({
    helloOk: true,
    [command.name === 'hello' ? 'isWritablePrimary' : 'ismaster']: true,
    maxBsonObjectSize: MAX_DOCUMENT_BYTES,
    maxMessageSizeBytes: MAX_MESSAGE_BYTES,
    maxWriteBatchSize: MAX_BATCH,
    localTime: new Date(),
    logicalSessionTimeoutMinutes: 30,
    connectionId: caller.connectionId,
    minWireVersion: 0,
    maxWireVersion: 21,
    readOnly: false,
  })

const HELLO_FIELDS =
  'helloOk client compression loadBalanced topologyVersion maxAwaitTimeMS saslSupportedMechs speculativeAuthenticate hostInfo backpressure forShell'

export const sessionCommands: Record<string, CommandRow> = {
  hello: { run: hello, takes: HELLO_FIELDS },
  isMaster: { run: hello, takes: HELLO_FIELDS },
  ismaster: { run: hello, takes: HELLO_FIELDS },
  ping: { run: () => okReply(), takes: '' },
  endSessions: { run: () => okReply(), takes: '' },
  refreshSessions: { run: () => okReply(), takes: '' },
  buildInfo: {
    run: () =>
      okReply({
        version: '7.0.0',
        versionArray: [7, 0, 0, 0],
        bits: 64,
        maxBsonObjectSize: MAX_DOCUMENT_BYTES,
        modules: ['parley-embedded'],
      }),
    takes: '',
  },
  buildinfo: { run: () => okReply({ version: '7.0.0', versionArray: [7, 0, 0, 0], maxBsonObjectSize: MAX_DOCUMENT_BYTES }), takes: '' },
  connectionStatus: { run: () => okReply({ authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] } }), takes: 'showPrivileges' },
  serverStatus: {
    run: (engine, _command, caller) =>
      okReply({
        process: 'parley-embedded',
        version: '7.0.0',
        pid: process.pid,
        uptimeMillis: Date.now() - engine.startedAt,
        localTime: new Date(),
        connections: { current: caller.connections() },
      }),
    takes: '',
  },
  abortTransaction: { run: noTransactions, takes: '' },
  commitTransaction: { run: noTransactions, takes: '' },
  // A hub's hold on this process: while one is held the process stays, and the hub learns of its end by the connection's.
  parleyLease: {
    run: (_engine, _command, caller) => {
      caller.lease?.()
      return okReply({ pid: process.pid })
    },
    takes: '',
  },
  parleyRelease: { run: (_engine, _command, caller) => okReply({ stopping: caller.release?.() ?? false }), takes: '' },
}

function noTransactions(): Buffer {
  throw new MongoRefusal(20, `Transaction numbers are only allowed on a replica set member or mongos`)
}
