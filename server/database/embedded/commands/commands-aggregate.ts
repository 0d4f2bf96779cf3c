import { compilePipeline, pipelineOf, splitPipeline } from '../aggregation/aggregate.ts'
import type { Engine } from '../engine.ts'
import { MongoRefusal } from '../errors.ts'
import { openQuery, type Source } from '../query/query.ts'
import { TYPE, type Value } from '../values/value.ts'
import type { Command } from '../wire/wire.ts'
import { collectionName, fieldMap, hintOf, optionalDocument, optionalWhole } from './arguments.ts'
import type { CommandRow } from './commands.ts'
import { EMPTY_SOURCE } from './commands-read.ts'

export const aggregateCommands: Record<string, CommandRow> = {
  aggregate: { run: aggregate, takes: 'pipeline cursor hint allowDiskUse' },
}

/** What an index can answer is asked of the planner; the stages behind it run as documents are drawn. */
function aggregate(engine: Engine, command: Command): Buffer {
  const { fields, database } = command
  const pipeline = pipelineOf(fields)
  compilePipeline(pipeline, engine, database)
  if (fields.get('aggregate')?.type !== TYPE.string) {
    throw new MongoRefusal(73, 'the embedded database offers no aggregation on a database (aggregate: 1)')
  }
  const namespace = `${database}.${collectionName(command)}`
  const { query, rest } = splitPipeline(pipeline)
  const collection = engine.catalog.find(namespace)
  const source = collection ? openQuery(engine.storage, collection, { ...query, hint: hintOf(fields) }) : EMPTY_SOURCE
  const run = compilePipeline(rest, engine, database)
  const cursor = optionalDocument(fields, 'cursor')
  const batchSize = cursor && optionalWhole(fieldMap(cursor), 'batchSize')
  return engine.cursors.firstBatch(drawn(source, run), { namespace, batchSize, isSingle: false })
}

function drawn(source: Source, run: (documents: Iterable<Value>) => Iterable<Value>): Source {
  const flow = run(documentsOf(source))[Symbol.iterator]()
  return { next: () => flow.next().value as Value | undefined, pause: source.pause, isSpent: () => false }
}

function* documentsOf(source: Source): Generator<Value> {
  for (let document = source.next(); document; document = source.next()) yield document
}
