import { leadingQuery } from '../aggregation/aggregate.ts'
import type { Engine } from '../engine.ts'
import { MongoRefusal } from '../errors.ts'
import { compileFilter } from '../query/filter.ts'
import type { Plan } from '../query/planner.ts'
import { findAll, type QueryOptions } from '../query/query.ts'
import type { KeySpec } from '../values/paths.ts'
import { elementsOf, fieldsOf, numberOf, stringOf, TYPE, type Value } from '../values/value.ts'
import type { Command } from '../wire/wire.ts'
import { fieldMap, hintOf, optionalDocument, requiredDocument, sortOf } from './arguments.ts'
import type { CommandRow } from './commands.ts'
import { okReply } from './reply.ts'

export const explainCommands: Record<string, CommandRow> = { explain: { run: explain, takes: 'verbosity' } }

const FILTER_FIELD: Record<string, string> = { find: 'filter', count: 'query', distinct: 'query', findAndModify: 'query' }

/** Says how a command would be answered: COLLSCAN, or IXSCAN with the index's name, and whether it has to sort. */
function explain({ storage, catalog }: Engine, command: Command): Buffer {
  const inner = requiredDocument(command.fields, 'explain')
  const name = fieldsOf(inner)[0]?.name ?? ''
  const fields = fieldMap(inner)
  const target = fields.get(name)
  if (target?.type !== TYPE.string) throw new MongoRefusal(59, `explain of '${name}' is not offered`)
  const namespace = `${command.database}.${stringOf(target)}`
  const options = optionsOf(name, fields)
  const collection = catalog.find(namespace)
  if (!collection) return okReply({ queryPlanner: { namespace, winningPlan: { stage: 'EOF' }, rejectedPlans: [] } })
  const source = findAll(storage, collection, options)
  const queryPlanner = { namespace, winningPlan: planShown(source.plan, options.sort), rejectedPlans: [] }
  const verbosity = command.fields.get('verbosity')
  if (verbosity && stringOf(verbosity) === 'queryPlanner') return okReply({ queryPlanner })
  let nReturned = 0
  while (source.next()) nReturned++
  const examined = source.examined()
  const totalKeysExamined = source.plan.indexName ? examined : 0
  return okReply({ queryPlanner, executionStats: { executionSuccess: true, nReturned, totalKeysExamined, totalDocsExamined: examined } })
}

function optionsOf(name: string, fields: Map<string, Value>): QueryOptions {
  if (name === 'aggregate') return leadingQuery(fields)
  if (name === 'update' || name === 'delete') {
    const list = fields.get(`${name}s`)
    const [first] = list?.type === TYPE.array ? elementsOf(list) : []
    const query = first && optionalDocument(fieldMap(first), 'q')
    return { filter: compileFilter(query), sort: [] }
  }
  const filterField = FILTER_FIELD[name]
  if (!filterField) throw new MongoRefusal(59, `explain of '${name}' is not offered`)
  return {
    filter: compileFilter(optionalDocument(fields, filterField)),
    sort: sortOf(optionalDocument(fields, 'sort')),
    limit: Math.abs(numberOf(fields.get('limit')) ?? 0),
    hint: hintOf(fields),
  }
}

function planShown(plan: Plan, sort: KeySpec): Record<string, unknown> {
  const access = accessShown(plan)
  if (plan.isSorted) return access
  return { stage: 'SORT', sortPattern: patternOf(sort), inputStage: access }
}

function accessShown(plan: Plan): Record<string, unknown> {
  const direction = plan.reverse ? 'backward' : 'forward'
  if (!plan.index && !plan.isIdScan) return { stage: 'COLLSCAN', direction }
  const keyPattern = plan.index ? plan.index.spec.key : { _id: 1 }
  const scan = { stage: 'IXSCAN', indexName: plan.indexName, keyPattern, direction, isMultiKey: plan.index?.isMultikey ?? false }
  return { stage: 'FETCH', inputStage: scan }
}

function patternOf(sort: KeySpec): Record<string, number> {
  return Object.fromEntries(sort.map(({ path, descending }) => [path.name, descending ? -1 : 1]))
}
