import { MongoRefusal } from '../errors.ts'
import { compileFilter, isOperators } from '../query/filter.ts'
import { documentSortKey, type KeySpec, parsePath } from '../values/paths.ts'
import { sortKey } from '../values/sort-key.ts'
import { closed, type Node, opened, type Tree } from '../values/tree.ts'
import { bytesOf, documentAt, elementsOf, type Field, fieldsOf, numberOf, TYPE, type Value } from '../values/value.ts'
import type { Change } from './update-operators.ts'
import type { Place } from './update-path.ts'

type ArrayTree = Tree & { kind: 'array' }

/** The array here, opened so that changes to its items count; made if it is missing and `isNeeded`. */
function arrayAt(place: Place, { operator, path }: Change, isNeeded: boolean): ArrayTree | undefined {
  const node = place.get()
  if (!node && !isNeeded) return undefined
  const tree: Tree | undefined = node ? opened(node) : { kind: 'array', items: [] }
  if (tree?.kind !== 'array') {
    throw new MongoRefusal(
      isNeeded ? 2 : 2,
      `The field '${path}' must be an array but is of another type, so ${operator} cannot be applied`,
    )
  }
  place.set(tree)
  return tree
}

const PUSH_MODIFIERS = new Set(['$each', '$slice', '$sort', '$position'])

export function push(place: Place, change: Change): void {
  const array = arrayAt(place, change, true)
  if (!array) return
  const modifiers = modifiersOf(change.argument)
  if (!modifiers) return void array.items.push(change.argument)
  for (const name of modifiers.keys()) if (!PUSH_MODIFIERS.has(name)) throw new MongoRefusal(2, `Unrecognized clause in $push: ${name}`)
  const each = elementsOf(arrayArgument(modifiers.get('$each'), '$each'))
  const position = wholeArgument(modifiers.get('$position'), '$position') ?? array.items.length
  array.items.splice(position, 0, ...each)
  const sort = modifiers.get('$sort')
  if (sort) array.items = sorted(array.items, sort)
  const slice = wholeArgument(modifiers.get('$slice'), '$slice')
  if (slice !== undefined) array.items = slice < 0 ? array.items.slice(slice) : array.items.slice(0, slice)
}

function modifiersOf(argument: Value): Map<string, Value> | undefined {
  if (argument.type !== TYPE.object) return undefined
  const fields = fieldsOf(argument)
  if (!fields.some((field) => field.name === '$each')) return undefined
  return new Map(fields.map((field: Field) => [field.name, field.value]))
}

function arrayArgument(value: Value | undefined, name: string): Value {
  if (value?.type !== TYPE.array) throw new MongoRefusal(2, `The argument to ${name} must be an array`)
  return value
}

function wholeArgument(value: Value | undefined, name: string): number | undefined {
  if (!value) return undefined
  const number = numberOf(value)
  if (number === undefined || !Number.isInteger(number)) throw new MongoRefusal(2, `The value for ${name} must be an integer`)
  return number
}

function sorted(items: Node[], sort: Value): Node[] {
  const direction = numberOf(sort)
  const keyed = items.map((item) => ({ item, key: sortKeyOf(closed(item), sort, direction) }))
  const sign = direction === -1 ? -1 : 1
  return keyed.sort((one, other) => sign * one.key.compare(other.key)).map(({ item }) => item)
}

function sortKeyOf(item: Value, sort: Value, direction: number | undefined): Buffer {
  if (direction === 1 || direction === -1) return sortKey(item)
  if (sort.type !== TYPE.object) throw new MongoRefusal(2, 'The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1}')
  const spec: KeySpec = fieldsOf(sort).map(({ name, value }) => ({ path: parsePath(name), descending: numberOf(value) === -1 }))
  return documentSortKey(item.type === TYPE.object ? item : documentAt(EMPTY), spec)
}

const EMPTY = Buffer.from([5, 0, 0, 0, 0])

export function addToSet(place: Place, change: Change): void {
  const array = arrayAt(place, change, true)
  if (!array) return
  const modifiers = modifiersOf(change.argument)
  if (modifiers && modifiers.size > 1) throw new MongoRefusal(2, 'Found unexpected fields after $each in $addToSet')
  const wanted = modifiers ? elementsOf(arrayArgument(modifiers.get('$each'), '$each')) : [change.argument]
  const known = new Set(array.items.map((item) => identity(closed(item))))
  for (const value of wanted) {
    const key = identity(value)
    if (known.has(key)) continue
    known.add(key)
    array.items.push(value)
  }
}

function identity(value: Value): string {
  return sortKey(value).toString('latin1')
}

export function pullAll(place: Place, change: Change): void {
  const array = arrayAt(place, change, false)
  if (!array) return
  const unwanted = new Set(elementsOf(arrayArgument(change.argument, '$pullAll')).map(identity))
  array.items = array.items.filter((item) => !unwanted.has(identity(closed(item))))
}

/** `$pull` takes a value, or a condition: of the element itself (`{ $gt: 5 }`) or of the fields of an element (`{ a: 1 }`). */
export function pull(place: Place, change: Change): void {
  const array = arrayAt(place, change, false)
  if (!array) return
  const unwanted = pullTest(change.argument)
  array.items = array.items.filter((item) => !unwanted(closed(item)))
}

function pullTest(argument: Value): (item: Value) => boolean {
  if (argument.type === TYPE.object && !isOperators(argument)) {
    const { test } = compileFilter(argument)
    return (item) => item.type === TYPE.object && test(item)
  }
  if (argument.type !== TYPE.object && argument.type !== TYPE.regex) {
    const key = sortKey(argument)
    return (item) => sortKey(item).equals(key)
  }
  const { test } = compileFilter(wrapped(argument))
  return (item) => test(wrapped(item))
}

function wrapped(value: Value): Value {
  const bytes = bytesOf(value)
  const buffer = Buffer.concat([Buffer.from([0, 0, 0, 0, value.type, 0x76, 0]), bytes, Buffer.from([0])])
  buffer.writeInt32LE(buffer.length, 0)
  return documentAt(buffer)
}

export function pop(place: Place, change: Change): void {
  const array = arrayAt(place, change, false)
  if (!array) return
  const end = numberOf(change.argument)
  if (end !== 1 && end !== -1) throw new MongoRefusal(9, '$pop expects 1 or -1')
  if (end === 1) array.items.pop()
  else array.items.shift()
}
