import { MongoRefusal } from '../errors.ts'
import { calculate } from '../values/arithmetic.ts'
import { sortKey } from '../values/sort-key.ts'
import { arrayOf, doubleValue, intValue, NULL } from '../values/tree.ts'
import { fieldsOf, isNumber, numberOf, TYPE, type Value } from '../values/value.ts'
import type { Stage } from './aggregate.ts'
import type { Expression } from './expression-values.ts'
import { compileExpression, scopeOf } from './expressions.ts'
import { documentArgument, documentWith } from './stage-values.ts'

type Accumulator = { add(value: Value | undefined): void; result(): Value }

/** The accumulators there are here. `undefined` is a missing value. */
const accumulators: Record<string, () => Accumulator> = {
  $sum: () => folded(intValue(0), (sum, value) => (value && isNumber(value.type) ? calculate(sum, value, '$inc') : sum)),
  $count: () => folded(intValue(0), (sum) => calculate(sum, intValue(1), '$inc')),
  $avg: average,
  $min: () => extreme(-1),
  $max: () => extreme(1),
  $first: () => {
    let isSet = false
    return folded(NULL, (first, value) => {
      if (isSet) return first
      isSet = true
      return value ?? NULL
    })
  },
  $last: () => folded(NULL, (_, value) => value ?? NULL),
  $push: () => {
    const all: Value[] = []
    return { add: (value) => void (value && all.push(value)), result: () => arrayOf(all) }
  },
  $addToSet: () => {
    const all = new Map<string, Value>()
    return { add: (value) => void (value && all.set(identity(value), value)), result: () => arrayOf([...all.values()]) }
  },
}

function folded(initial: Value, fold: (state: Value, value: Value | undefined) => Value): Accumulator {
  let state = initial
  return {
    add: (value) => {
      state = fold(state, value)
    },
    result: () => state,
  }
}

function average(): Accumulator {
  let sum = 0
  let count = 0
  return {
    add: (value) => {
      if (value?.type === TYPE.decimal) throw new MongoRefusal(2, 'the embedded database does not compute with Decimal128')
      const number = numberOf(value)
      if (number === undefined) return
      sum += number
      count++
    },
    result: () => (count === 0 ? NULL : doubleValue(sum / count)),
  }
}

function extreme(sign: 1 | -1): Accumulator {
  let best: { value: Value; key: Buffer } | undefined
  return {
    add: (value) => {
      if (!value || value.type === TYPE.null || value.type === TYPE.undefined) return
      const key = sortKey(value)
      if (!best || key.compare(best.key) * sign > 0) best = { value, key }
    },
    result: () => best?.value ?? NULL,
  }
}

function identity(value: Value): string {
  return sortKey(value).toString('latin1')
}

type Column = { name: string; make: () => Accumulator; operand: Expression }

export function groupStage(argument: Value): Stage {
  const fields = fieldsOf(documentArgument(argument, '$group'))
  const id = fields.find((field) => field.name === '_id')
  if (!id) throw new MongoRefusal(2, 'a group specification must include an _id')
  const by = compileExpression(id.value)
  const columns = fields.filter((field) => field.name !== '_id').map(({ name, value }) => columnOf(name, value))
  return (documents) => grouped(documents, by, columns)
}

function columnOf(name: string, value: Value): Column {
  if (name.includes('.')) throw new MongoRefusal(2, `The field name '${name}' cannot contain '.'`)
  const [operator, ...more] = value.type === TYPE.object ? fieldsOf(value) : []
  if (!operator || more.length > 0) throw new MongoRefusal(2, `The field '${name}' must specify one accumulator`)
  const make = accumulators[operator.name]
  if (!make) throw new MongoRefusal(168, `unknown group operator '${operator.name}', or one the embedded database does not offer`)
  return { name, make, operand: operator.name === '$count' ? () => undefined : compileExpression(operator.value) }
}

type Group = { id: Value; cells: Accumulator[] }

function* grouped(documents: Iterable<Value>, by: Expression, columns: Column[]): Generator<Value> {
  const groups = new Map<string, Group>()
  for (const document of documents) {
    const scope = scopeOf(document)
    const id = by(scope) ?? NULL
    const key = identity(id)
    const group: Group = groups.get(key) ?? { id, cells: columns.map((column) => column.make()) }
    groups.set(key, group)
    for (const [nth, { operand }] of columns.entries()) group.cells[nth]?.add(operand(scope))
  }
  for (const { id, cells } of groups.values()) {
    yield documentWith([['_id', id], ...columns.map(({ name }, nth): [string, Value | undefined] => [name, cells[nth]?.result()])])
  }
}
