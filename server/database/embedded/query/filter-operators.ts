import { MongoRefusal } from '../errors.ts'
import { classOf, sortKey } from '../values/sort-key.ts'
import { elementsOf, type Field, fieldsOf, isNumber, isTruthy, numberOf, stringOf, TYPE, type Value } from '../values/value.ts'
import type { Bound, Filter } from './filter.ts'
import { compileRegex } from './regex.ts'

/** A test of the values at a path. `entersArrays`: the elements of an array at the end are asked too, not only the array. */
export type LeafTest = { entersArrays: boolean; test: (value: Value | undefined) => boolean }

export type CompiledOperator = { leaf: LeafTest; isNegated?: boolean; isExact: boolean; bound?: Bound }

export type OperatorInput = {
  name: string
  value: Value
  fields: Field[]
  filterOf: (filter: Value) => Filter
  operatorsOf: (operators: Value) => (element: Value) => boolean
}

export function compileOperator(input: OperatorInput): CompiledOperator {
  const compile = operators[input.name]
  if (!compile) throw new MongoRefusal(2, `unknown operator: ${input.name}. The embedded database does not offer it`)
  return compile(input)
}

const operators: Record<string, (input: OperatorInput) => CompiledOperator> = {
  $ne: ({ value }) => {
    if (value.type === TYPE.regex) throw new MongoRefusal(2, "Can't have regex as arg to $ne.")
    return { leaf: equalTo(value), isNegated: true, isExact: false }
  },
  $gt: ({ value }) => compare(value, { low: true, inclusive: false }),
  $gte: ({ value }) => compare(value, { low: true, inclusive: true }),
  $lt: ({ value }) => compare(value, { low: false, inclusive: false }),
  $lte: ({ value }) => compare(value, { low: false, inclusive: true }),
  $in: ({ value }) => within(value, '$in'),
  $nin: ({ value }) => ({ leaf: within(value, '$nin').leaf, isNegated: true, isExact: false }),
  $exists: ({ value }) => {
    const wanted = isTruthy(value)
    const leaf = whole((found) => found !== undefined)
    return wanted ? { leaf, isExact: false, bound: { kind: 'exists' } } : { leaf, isNegated: true, isExact: false }
  },
  $type: ({ value }) => ({ leaf: ofType(value), isExact: false }),
  $regex: ({ value, fields }) => {
    const options = fields.find((field) => field.name === '$options')?.value
    const matches = compileRegex(value, options)
    return { leaf: each((found) => matches(found)), isExact: false }
  },
  $size: ({ value }) => {
    const size = numberOf(value)
    if (size === undefined || !Number.isInteger(size) || size < 0) throw new MongoRefusal(2, '$size must be a whole, non-negative number')
    return { leaf: whole((found) => found?.type === TYPE.array && elementsOf(found).length === size), isExact: false }
  },
  $mod: ({ value }) => ({ leaf: modulo(value), isExact: false }),
  $elemMatch: (input) => ({ leaf: elementMatch(input), isExact: false }),
}

function each(test: LeafTest['test']): LeafTest {
  return { entersArrays: true, test }
}
function whole(test: LeafTest['test']): LeafTest {
  return { entersArrays: false, test }
}

export function equalTo(operand: Value): LeafTest {
  if (operand.type === TYPE.null || operand.type === TYPE.undefined) {
    return each((found) => !found || found.type === TYPE.null || found.type === TYPE.undefined)
  }
  if (operand.type === TYPE.regex) {
    const matches = compileRegex(operand, undefined)
    const key = sortKey(operand)
    return each((found) => (found?.type === TYPE.regex ? key.equals(sortKey(found)) : matches(found)))
  }
  if (operand.type === TYPE.string) {
    const bytes = operand.buffer.subarray(operand.start, operand.end)
    return each((found) => found?.type === TYPE.string && bytes.compare(found.buffer, found.start, found.end) === 0)
  }
  const typeClass = classOf(operand.type)
  const key = sortKey(operand)
  return each((found) => found !== undefined && classOf(found.type) === typeClass && key.equals(sortKey(found)))
}

type Comparison = { low: boolean; inclusive: boolean }

function compare(operand: Value, { low, inclusive }: Comparison): CompiledOperator {
  if (operand.type === TYPE.regex) throw new MongoRefusal(2, "Can't have RegEx as arg to predicate over field.")
  if (operand.type === TYPE.null) return { leaf: inclusive ? equalTo(operand) : each(() => false), isExact: false }
  const key = sortKey(operand)
  if (operand.type === TYPE.minKey || operand.type === TYPE.maxKey) return compareWithEnd(operand, { low, inclusive })
  if (Number.isNaN(numberOf(operand) ?? 0)) return { leaf: inclusive ? equalTo(operand) : each(() => false), isExact: false }
  const typeClass = classOf(operand.type)
  const leaf = each((found) => {
    if (!found || classOf(found.type) !== typeClass || Number.isNaN(numberOf(found) ?? 0)) return false
    const order = sortKey(found).compare(key)
    return order === 0 ? inclusive : low === order > 0
  })
  if (operand.type === TYPE.array) return { leaf, isExact: false }
  const edge = { key, inclusive }
  return { leaf, isExact: true, bound: { kind: 'range', typeClass, ...(low ? { low: edge } : { high: edge }) } }
}

/** MinKey and MaxKey are compared across all types, and a missing field is not before or after them. */
function compareWithEnd(operand: Value, { low, inclusive }: Comparison): CompiledOperator {
  const key = sortKey(operand)
  const leaf = each((found) => {
    if (!found) return false
    const order = sortKey(found).compare(key)
    return order === 0 ? inclusive : low === order > 0
  })
  return { leaf, isExact: false }
}

function within(operand: Value, name: string): CompiledOperator & { bound?: Bound } {
  if (operand.type !== TYPE.array) throw new MongoRefusal(2, `${name} needs an array`)
  const elements = elementsOf(operand)
  const plain = elements.filter((element) => element.type !== TYPE.regex)
  const patterns = elements.filter((element) => element.type === TYPE.regex).map((element) => compileRegex(element, undefined))
  const keys = plain.map((element) => sortKey(element))
  const known = new Set(keys.map((key) => key.toString('latin1')))
  const hasNull = plain.some((element) => element.type === TYPE.null || element.type === TYPE.undefined)
  const leaf = each((found) => {
    if (!found || found.type === TYPE.undefined) return hasNull
    return known.has(sortKey(found).toString('latin1')) || patterns.some((matches) => matches(found))
  })
  const isIndexable = patterns.length === 0 && plain.every((element) => element.type !== TYPE.array && element.type !== TYPE.undefined)
  if (!isIndexable) return { leaf, isExact: false }
  return { leaf, isExact: !hasNull, bound: { kind: 'equal', keys, hasNull } }
}

const TYPE_NAMES: Record<string, number[]> = {
  double: [TYPE.double],
  string: [TYPE.string],
  object: [TYPE.object],
  array: [TYPE.array],
  binData: [TYPE.binary],
  undefined: [TYPE.undefined],
  objectId: [TYPE.objectId],
  bool: [TYPE.bool],
  date: [TYPE.date],
  null: [TYPE.null],
  regex: [TYPE.regex],
  int: [TYPE.int],
  timestamp: [TYPE.timestamp],
  long: [TYPE.long],
  decimal: [TYPE.decimal],
  minKey: [TYPE.minKey],
  maxKey: [TYPE.maxKey],
  number: [TYPE.int, TYPE.double, TYPE.long, TYPE.decimal],
}

function ofType(operand: Value): LeafTest {
  const wanted = new Set<number>()
  const alternatives = operand.type === TYPE.array ? elementsOf(operand) : [operand]
  for (const alternative of alternatives) {
    const number = numberOf(alternative)
    if (number !== undefined) wanted.add(number === -1 ? TYPE.minKey : number)
    else for (const type of namedTypes(alternative)) wanted.add(type)
  }
  return each((found) => found !== undefined && wanted.has(found.type))
}

function namedTypes(alternative: Value): number[] {
  const types = alternative.type === TYPE.string ? TYPE_NAMES[stringOf(alternative)] : undefined
  if (!types) throw new MongoRefusal(2, 'Unknown type name alias or code in $type')
  return types
}

function modulo(operand: Value): LeafTest {
  const [divisor, remainder, ...rest] = operand.type === TYPE.array ? elementsOf(operand).map(numberOf) : []
  if (divisor === undefined || remainder === undefined || rest.length > 0) throw new MongoRefusal(2, 'malformed mod, needs two numbers')
  const by = Math.trunc(divisor)
  if (!Number.isSafeInteger(by)) throw new MongoRefusal(2, 'the embedded database takes a divisor of up to 2^53')
  if (by === 0) throw new MongoRefusal(2, 'divisor cannot be 0')
  return each((found) => {
    if (!found || !isNumber(found.type)) return false
    if (found.type === TYPE.long) return Number(found.buffer.readBigInt64LE(found.start) % BigInt(by)) === Math.trunc(remainder)
    const number = Math.trunc(numberOf(found) ?? Number.NaN)
    // `-0 === 0` holds, so the sign of a zero remainder does not matter.
    return Number.isFinite(number) && number % by === Math.trunc(remainder)
  })
}

/** `$all` is an `$and` of its elements, each free to find its own value on the path. An empty one matches nothing. */
export function allLeaves(input: OperatorInput): LeafTest[] {
  if (input.value.type !== TYPE.array) throw new MongoRefusal(2, '$all needs an array')
  const leaves = elementsOf(input.value).map((element) => {
    const first = element.type === TYPE.object ? fieldsOfFirst(element) : undefined
    return first?.name === '$elemMatch' ? elementMatch({ ...input, value: first.value }) : equalTo(element)
  })
  return leaves.length > 0 ? leaves : [each(() => false)]
}

function elementMatch({ value, filterOf, operatorsOf }: OperatorInput): LeafTest {
  if (value.type !== TYPE.object) throw new MongoRefusal(2, '$elemMatch needs an Object')
  const first = fieldsOfFirst(value)
  const asksElement = first?.name.startsWith('$') && !['$and', '$or', '$nor'].includes(first.name)
  if (asksElement) {
    const test = operatorsOf(value)
    return whole((found) => found?.type === TYPE.array && elementsOf(found).some(test))
  }
  const { test } = filterOf(value)
  const isDocument = (element: Value) => element.type === TYPE.object || element.type === TYPE.array
  return whole((found) => found?.type === TYPE.array && elementsOf(found).some((element) => isDocument(element) && test(element)))
}

function fieldsOfFirst(value: Value): Field | undefined {
  return fieldsOf(value)[0]
}
