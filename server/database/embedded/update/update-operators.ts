import { MongoRefusal } from '../errors.ts'
import { assertNumber, calculate, zeroLike } from '../values/arithmetic.ts'
import { sortKey } from '../values/sort-key.ts'
import { closed, dateValue, type Node, type Tree } from '../values/tree.ts'
import { fieldsOf, isTruthy, stringOf, TYPE, type Value } from '../values/value.ts'
import { addToSet, pop, pull, pullAll, push } from './update-arrays.ts'
import { type Place, placesAt } from './update-path.ts'

/** What one update does to an opened document. `now` is one moment for the whole command. */
export type UpdateContext = { isInsert: boolean; now: number }
export type Change = { operator: string; path: string; argument: Value }

type Apply = (root: Tree, change: Change, context: UpdateContext) => void

/** All update operators there are here. Any other is refused by name. */
export const updateOperators: Record<string, Apply> = {
  $set: eachPlace('create', (place, { argument }) => place.set(argument)),
  $setOnInsert: (root, change, context) => {
    if (context.isInsert) eachPlace('create', (place) => place.set(change.argument))(root, change, context)
  },
  $unset: eachPlace('skip', (place) => place.unset()),
  $inc: eachPlace('create', (place, change) => place.set(arithmetic(place.get(), change, '$inc'))),
  $mul: eachPlace('create', (place, change) => place.set(arithmetic(place.get(), change, '$mul'))),
  $min: eachPlace('create', (place, { argument }) => {
    const current = place.get()
    if (!current || sortKey(argument).compare(sortKey(closed(current))) < 0) place.set(argument)
  }),
  $max: eachPlace('create', (place, { argument }) => {
    const current = place.get()
    if (!current || sortKey(argument).compare(sortKey(closed(current))) > 0) place.set(argument)
  }),
  $currentDate: eachPlace('create', (place, change, { now }) => place.set(currentDate(change, now))),
  $rename: rename,
  $push: eachPlace('create', (place, change) => push(place, change)),
  $addToSet: eachPlace('create', (place, change) => addToSet(place, change)),
  $pull: eachPlace('viable', (place, change) => pull(place, change)),
  $pullAll: eachPlace('viable', (place, change) => pullAll(place, change)),
  $pop: eachPlace('viable', (place, change) => pop(place, change)),
}

function eachPlace(missing: 'create' | 'viable' | 'skip', act: (place: Place, change: Change, context: UpdateContext) => void): Apply {
  return (root, change, context) => {
    for (const place of placesAt(root, change.path, missing)) act(place, change, context)
  }
}

function arithmetic(current: Node | undefined, { argument, path }: Change, operator: '$inc' | '$mul'): Value {
  const verb = operator === '$inc' ? 'increment' : 'multiply'
  assertNumber(argument, `Cannot ${verb} with non-numeric argument: {${path}: …}`)
  if (!current) return operator === '$inc' ? argument : zeroLike(argument)
  const value = closed(current)
  assertNumber(value, `Cannot apply ${operator} to a value of non-numeric type. The field '${path}' has another type`)
  return calculate(value, argument, operator)
}

function currentDate({ argument }: Change, now: number): Value {
  if (argument.type === TYPE.bool) return dateValue(now)
  const type = argument.type === TYPE.object ? fieldsOf(argument).find((field) => field.name === '$type')?.value : undefined
  const name = type?.type === TYPE.string ? stringOf(type) : undefined
  if (name === 'date') return dateValue(now)
  if (name !== 'timestamp' || !isTruthy(argument)) {
    throw new MongoRefusal(2, "$currentDate needs true, { $type: 'date' } or { $type: 'timestamp' }")
  }
  const buffer = Buffer.alloc(8)
  buffer.writeUInt32LE(1, 0)
  buffer.writeUInt32LE(Math.floor(now / 1000), 4)
  return { type: TYPE.timestamp, buffer, start: 0, end: 8 }
}

function rename(root: Tree, { path, argument }: Change): void {
  const to = stringOf(argument)
  const [from] = placesAt(root, path, 'skip')
  const node = from?.get()
  if (!from || node === undefined) return
  from.unset()
  for (const place of placesAt(root, to, 'create')) {
    place.unset()
    place.set(node)
  }
}
