import type { Engine } from '../engine.ts'
import { MongoRefusal } from '../errors.ts'
import { fieldsOf, numberOf, stringOf, TYPE, type Value } from '../values/value.ts'
import type { Command } from '../wire/wire.ts'
import { assertKnown } from './arguments.ts'
import { aggregateCommands } from './commands-aggregate.ts'
import { explainCommands } from './commands-explain.ts'
import { readCommands } from './commands-read.ts'
import { schemaCommands } from './commands-schema.ts'
import { sessionCommands } from './commands-session.ts'
import { writeCommands } from './commands-write.ts'

/** What a command may know of the connection it came by. */
export type Caller = { connectionId: number; connections(): number; lease?: () => void; release?: () => boolean }
export type CommandRun = (engine: Engine, command: Command, caller: Caller) => Buffer | Promise<Buffer>

/** `takes`: the fields this command understands. Fields that every command may carry need not be named. */
export type CommandRow = { run: CommandRun; takes: string }

const table: Record<string, CommandRow> = {
  ...sessionCommands,
  ...readCommands,
  ...aggregateCommands,
  ...explainCommands,
  ...writeCommands,
  ...schemaCommands,
}

const commands = new Map(
  Object.entries(table).map(([name, row]) => [name, { run: row.run, known: new Set([name, ...COMMON_FIELDS(), ...row.takes.split(' ')]) }]),
)

function COMMON_FIELDS(): string[] {
  return ['$db', 'lsid', '$clusterTime', '$readPreference', 'comment', 'maxTimeMS', 'readConcern', 'writeConcern'].concat(
    [
      'apiVersion',
      'apiStrict',
      'apiDeprecationErrors',
      'txnNumber',
      'autocommit',
      'startTransaction',
      'stmtId',
      'stmtIds',
      '$audit',
      'let',
    ],
    ['ordered', 'bypassDocumentValidation'],
  )
}

/** Answers one command. Throws MongoRefusal for what it refuses; any other error is a fault of ours. */
export function runCommand(engine: Engine, command: Command, caller: Caller): Buffer | Promise<Buffer> {
  const row = commands.get(command.name)
  if (!row) throw new MongoRefusal(59, `no such command: '${command.name}'`)
  refuseTransaction(command)
  refuseConcerns(command)
  assertKnown(command.fields, row.known, command.name)
  refuseLet(command.fields.get('let'))
  return row.run(engine, command, caller)
}

function refuseTransaction({ fields }: Command) {
  if (!fields.has('txnNumber') && !fields.has('startTransaction') && !fields.has('autocommit')) return
  throw new MongoRefusal(20, 'Transaction numbers are only allowed on a replica set member or mongos')
}

function refuseLet(value: Value | undefined) {
  if (value && fieldsOf(value).length > 0) throw new MongoRefusal(115, "the embedded database does not offer 'let'")
}

function refuseConcerns({ fields }: Command) {
  const read = fields.get('readConcern')
  const level = read?.type === TYPE.object ? fieldsOf(read).find((field) => field.name === 'level')?.value : undefined
  if (level?.type === TYPE.string && ['snapshot', 'linearizable'].includes(stringOf(level))) {
    throw new MongoRefusal(123, `readConcern level '${stringOf(level)}' needs a replica set`)
  }
  const write = fields.get('writeConcern')
  const w = write?.type === TYPE.object ? fieldsOf(write).find((field) => field.name === 'w')?.value : undefined
  if (w && (numberOf(w) ?? 0) > 1) throw new MongoRefusal(2, "cannot use 'w' > 1 when a host is not replicated")
  if (w?.type === TYPE.string && stringOf(w) !== 'majority') throw new MongoRefusal(2, `unknown write concern mode '${stringOf(w)}'`)
}
