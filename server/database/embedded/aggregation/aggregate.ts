import { sortOf } from '../commands/arguments.ts'
import type { Engine } from '../engine.ts'
import { MongoRefusal } from '../errors.ts'
import { allOf, type Clause, compileFilter } from '../query/filter.ts'
import type { QueryOptions } from '../query/query.ts'
import { arrayOf, intValue } from '../values/tree.ts'
import { elementsOf, fieldsOf, numberOf, stringOf, TYPE, type Value } from '../values/value.ts'
import { addFieldsStage, projectStage, replaceStage, unsetStage } from './stage-fields.ts'
import { limitStage, skipStage, sortStage, unwindStage } from './stage-flow.ts'
import { groupStage } from './stage-group.ts'
import { lookupStage } from './stage-lookup.ts'
import { documentArgument, documentWith } from './stage-values.ts'

export type Documents = Iterable<Value>
export type Stage = (documents: Documents) => Documents
export type StageContext = { engine: Engine; database: string; compile: (pipeline: Value[]) => Stage }
type CompileStage = (argument: Value, context: StageContext) => Stage

const stages: Record<string, CompileStage> = {
  $match: (argument) => filterStage(documentArgument(argument, '$match')),
  $sort: (argument) => sortStage(sortOf(documentArgument(argument, '$sort'))),
  $limit: (argument) => limitStage(wholeArgument(argument, '$limit', 1)),
  $skip: (argument) => skipStage(wholeArgument(argument, '$skip', 0)),
  $unwind: unwindStage,
  $count: (argument) => countStage(argument),
  $group: groupStage,
  $project: projectStage,
  $addFields: addFieldsStage,
  $set: addFieldsStage,
  $unset: unsetStage,
  $replaceRoot: (argument) => replaceStage(requiredField(argument, 'newRoot')),
  $replaceWith: replaceStage,
  $lookup: lookupStage,
  $facet: facetStage,
}

// MongoDB's own codes for what only a replica set or a write stage could do.
const REFUSED: Record<string, [40324 | 40573 | 115, string]> = {
  $changeStream: [40573, 'The $changeStream stage is only supported on replica sets'],
  $out: [115, 'the embedded database does not offer $out'],
  $merge: [115, 'the embedded database does not offer $merge'],
}

export function compilePipeline(pipeline: Value[], engine: Engine, database: string): Stage {
  const context: StageContext = { engine, database, compile: (inner) => compilePipeline(inner, engine, database) }
  const compiled = pipeline.map((stage) => compileStage(stage, context))
  return (documents) => compiled.reduce((flow, stage) => stage(flow), documents)
}

function compileStage(stage: Value, context: StageContext): Stage {
  const [field, ...more] = stage.type === TYPE.object ? fieldsOf(stage) : []
  if (!field || more.length > 0) throw new MongoRefusal(40323, 'A pipeline stage specification object must contain exactly one field.')
  const refused = REFUSED[field.name]
  if (refused) throw new MongoRefusal(refused[0], refused[1])
  const compile = stages[field.name]
  if (!compile)
    throw new MongoRefusal(40324, `Unrecognized pipeline stage name: '${field.name}', or one the embedded database does not offer`)
  return compile(field.value, context)
}

/** The stages at the front that an index can answer, as one query, and what is left. */
export function splitPipeline(pipeline: Value[]): { query: QueryOptions; rest: Value[] } {
  const clauses: Clause[] = []
  const query: QueryOptions = { filter: { clauses, test: () => true }, sort: [] }
  let at = 0
  for (; at < pipeline.length; at++) {
    const [stage] = fieldsOf(pipeline[at] as Value)
    if (stage?.name === '$match' && query.sort.length === 0) clauses.push(...compileFilter(documentArgument(stage.value, '$match')).clauses)
    else if (stage?.name === '$sort' && query.sort.length === 0) query.sort = sortOf(documentArgument(stage.value, '$sort'))
    else break
  }
  const [limit] = pipeline[at] ? fieldsOf(pipeline[at] as Value) : []
  if (limit?.name === '$limit') {
    query.limit = wholeArgument(limit.value, '$limit', 1)
    at++
  }
  query.filter.test = allOf(clauses)
  return { query, rest: pipeline.slice(at) }
}

export function leadingQuery(fields: Map<string, Value>): QueryOptions {
  return splitPipeline(pipelineOf(fields)).query
}

export function pipelineOf(fields: Map<string, Value>): Value[] {
  const pipeline = fields.get('pipeline')
  if (pipeline?.type !== TYPE.array) throw new MongoRefusal(14, "'pipeline' option must be specified as an array")
  const stagesGiven = elementsOf(pipeline)
  if (stagesGiven.some((stage) => stage.type !== TYPE.object)) throw new MongoRefusal(14, 'Each element of the pipeline must be an object')
  return stagesGiven
}

function filterStage(filter: Value): Stage {
  const { test } = compileFilter(filter)
  return function* match(documents) {
    for (const document of documents) if (test(document)) yield document
  }
}

function countStage(argument: Value): Stage {
  const name = argument.type === TYPE.string ? stringOf(argument) : ''
  if (name === '' || name.startsWith('$') || name.includes('.'))
    throw new MongoRefusal(2, 'the count field must be a plain, non-empty string')
  return function* count(documents) {
    let n = 0
    for (const _ of documents) n++
    if (n > 0) yield documentWith([[name, intValue(n)]])
  }
}

function facetStage(argument: Value, context: StageContext): Stage {
  const branches = fieldsOf(documentArgument(argument, '$facet')).map(({ name, value }) => {
    if (value.type !== TYPE.array) throw new MongoRefusal(2, `arguments to $facet must be arrays, ${name} is not`)
    return { name, run: context.compile(elementsOf(value)) }
  })
  return function* facet(documents) {
    const all = [...documents]
    yield documentWith(branches.map(({ name, run }) => [name, arrayOf([...run(all)])]))
  }
}

function requiredField(argument: Value, name: string): Value {
  const value = fieldsOf(documentArgument(argument, '$replaceRoot')).find((field) => field.name === name)?.value
  if (!value) throw new MongoRefusal(40414, `BSON field '$replaceRoot.${name}' is missing but a required field`)
  return value
}

function wholeArgument(argument: Value, stage: string, least: number): number {
  const number = numberOf(argument)
  if (number === undefined || !Number.isInteger(number) || number < least) {
    throw new MongoRefusal(2, `invalid argument to ${stage} stage: a whole number of at least ${least} is needed`)
  }
  return number
}
