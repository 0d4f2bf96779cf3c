import { MongoRefusal } from '../errors.ts'
import { calculate } from '../values/arithmetic.ts'
import { sortKey } from '../values/sort-key.ts'
import {
  arrayOf,
  boolValue,
  dateValue,
  documentOf,
  doubleValue,
  intValue,
  longValue,
  type Node,
  NULL,
  stringValue,
} from '../values/tree.ts'
import { fieldsOf, isNumber, isTruthy, numberOf, stringOf, TYPE, type Value } from '../values/value.ts'
import { isNothing, itemsOf } from './expression-values.ts'

type Given = () => Value | undefined
type Operator = { least: number; most: number; run(given: Given[]): Value | undefined }

const ANY = Number.POSITIVE_INFINITY
const MISSING_KEY = Buffer.from([0])

/** The order of MongoDB's types, with a missing value before all of them. */
function compare([left, right]: Given[]): number {
  const [one, other] = [left?.(), right?.()]
  return (one ? sortKey(one) : MISSING_KEY).compare(other ? sortKey(other) : MISSING_KEY)
}

function comparison(test: (order: number) => boolean): Operator {
  return { least: 2, most: 2, run: (given) => boolValue(test(compare(given))) }
}

/** An operator on plain values; null or a missing value among them makes null. */
function plain(least: number, most: number, run: (values: Value[]) => Value): Operator {
  return {
    least,
    most,
    run(given) {
      const values = given.map((one) => one())
      return values.some(isNothing) ? NULL : run(values as Value[])
    },
  }
}

function mathematics(run: (number: number) => number): Operator {
  return plain(1, 1, ([value]) => {
    const number = exact(value as Value)
    const result = run(number)
    return value?.type === TYPE.double ? doubleValue(result) : whole(result)
  })
}

function exact(value: Value): number {
  const number = numberOf(value)
  if (number === undefined) throw new MongoRefusal(14, 'the operator only supports numeric types, and not Decimal128')
  if (value.type === TYPE.long && !Number.isSafeInteger(number))
    throw new MongoRefusal(2, 'the embedded database does not compute this on a long past 2^53')
  return number
}

function whole(number: number): Value {
  return number === (number | 0) ? intValue(number) : Number.isSafeInteger(number) ? longValue(BigInt(number)) : doubleValue(number)
}

function text(value: Value, operator: string): string {
  if (value.type !== TYPE.string) throw new MongoRefusal(2, `${operator} needs a string`)
  return stringOf(value)
}

function numbersOnly(value: Value): Value {
  if (!isNumber(value.type)) throw new MongoRefusal(14, 'only numbers can be computed with')
  return value
}

function sum(values: Value[], operator: '$inc' | '$mul'): Value {
  return values.map(numbersOnly).reduce((one, other) => calculate(one, other, operator), intValue(operator === '$inc' ? 0 : 1))
}

/** Dates and numbers: a date and milliseconds make a date, two dates their distance. */
function add(values: Value[]): Value {
  const date = values.find((value) => value.type === TYPE.date)
  if (!date) return sum(values, '$inc')
  const ms = values.reduce((total, value) => total + (value.type === TYPE.date ? millis(value) : exact(value)), 0)
  return dateValue(Math.round(ms))
}

function subtract([left, right]: Value[]): Value {
  const [one, other] = [left as Value, right as Value]
  if (one.type === TYPE.date && other.type === TYPE.date) return longValue(BigInt(millis(one) - millis(other)))
  if (one.type === TYPE.date) return dateValue(millis(one) - Math.round(exact(other)))
  return sum([one, calculate(numbersOnly(other), intValue(-1), '$mul')], '$inc')
}

function millis(date: Value): number {
  return Number(date.buffer.readBigInt64LE(date.start))
}

function divide([left, right]: Value[]): Value {
  const divisor = exact(right as Value)
  if (divisor === 0) throw new MongoRefusal(2, "can't $divide by zero")
  return doubleValue(exact(left as Value) / divisor)
}

function modulo([left, right]: Value[]): Value {
  const divisor = exact(right as Value)
  if (divisor === 0) throw new MongoRefusal(2, "can't $mod by zero")
  const isDouble = left?.type === TYPE.double || right?.type === TYPE.double
  const result = exact(left as Value) % divisor
  return isDouble ? doubleValue(result) : whole(result + 0)
}

function element(items: Value[], index: number): Value | undefined {
  return items.at(index)
}

function firstOrLast(index: 0 | -1, name: string): Operator {
  return {
    least: 1,
    most: 1,
    run([given]) {
      const value = given?.()
      return isNothing(value) ? NULL : element(itemsOf(value, name), index)
    },
  }
}

function slice([list, first, second]: Value[]): Value {
  const items = itemsOf(list as Value, '$slice')
  const [one, two] = [exact(first as Value), second && exact(second)]
  if (two === undefined) return arrayOf(one < 0 ? items.slice(one) : items.slice(0, one))
  if (two <= 0) throw new MongoRefusal(2, 'Third argument to $slice must be positive')
  const start = one < 0 ? Math.max(0, items.length + one) : one
  return arrayOf(items.slice(start, start + two))
}

function mergeObjects(given: Given[]): Value {
  const fields = new Map<string, Node>()
  for (const one of given) {
    const value = one()
    if (isNothing(value)) continue
    if ((value as Value).type !== TYPE.object) throw new MongoRefusal(2, '$mergeObjects requires object inputs')
    for (const field of fieldsOf(value)) fields.set(field.name, field.value)
  }
  return documentOf({ kind: 'object', fields })
}

function union(lists: Value[]): Value {
  const items = new Map<string, Value>()
  for (const list of lists) for (const item of itemsOf(list, '$setUnion')) items.set(sortKey(item).toString('latin1'), item)
  return arrayOf([...items.entries()].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, item]) => item))
}

function datePart(part: (date: Date) => number): Operator {
  return plain(1, 1, ([value]) => {
    if (value?.type !== TYPE.date) throw new MongoRefusal(2, "can't convert to Date")
    return intValue(part(new Date(millis(value))))
  })
}

/** What can be computed from plain arguments. Anything else is refused by name. */
export const expressionOperators: Record<string, Operator> = {
  $eq: comparison((order) => order === 0),
  $ne: comparison((order) => order !== 0),
  $gt: comparison((order) => order > 0),
  $gte: comparison((order) => order >= 0),
  $lt: comparison((order) => order < 0),
  $lte: comparison((order) => order <= 0),
  $cmp: { least: 2, most: 2, run: (given) => intValue(Math.sign(compare(given))) },
  $and: { least: 0, most: ANY, run: (given) => boolValue(given.every((one) => isTruthy(one()))) },
  $or: { least: 0, most: ANY, run: (given) => boolValue(given.some((one) => isTruthy(one()))) },
  $not: { least: 1, most: 1, run: ([given]) => boolValue(!isTruthy(given?.())) },
  $ifNull: {
    least: 2,
    most: ANY,
    run(given) {
      for (const one of given.slice(0, -1)) {
        const value = one()
        if (!isNothing(value)) return value
      }
      return given.at(-1)?.()
    },
  },
  $add: plain(0, ANY, add),
  $subtract: plain(2, 2, subtract),
  $multiply: plain(0, ANY, (values) => sum(values, '$mul')),
  $divide: plain(2, 2, divide),
  $mod: plain(2, 2, modulo),
  $abs: mathematics(Math.abs),
  $ceil: mathematics(Math.ceil),
  $floor: mathematics(Math.floor),
  $concat: plain(0, ANY, (values) => stringValue(values.map((value) => text(value, '$concat')).join(''))),
  $strLenCP: { least: 1, most: 1, run: ([given]) => intValue([...text(given?.() ?? NULL, '$strLenCP')].length) },
  $toLower: {
    least: 1,
    most: 1,
    run: ([given]) => cased(given?.(), (string) => string.replace(/[A-Z]/g, (letter) => letter.toLowerCase())),
  },
  $toUpper: {
    least: 1,
    most: 1,
    run: ([given]) => cased(given?.(), (string) => string.replace(/[a-z]/g, (letter) => letter.toUpperCase())),
  },
  $size: { least: 1, most: 1, run: ([given]) => intValue(itemsOf(given?.() ?? NULL, '$size').length) },
  $isArray: { least: 1, most: 1, run: ([given]) => boolValue(given?.()?.type === TYPE.array) },
  $in: {
    least: 2,
    most: 2,
    run([given, list]) {
      const key = keyOf(given?.())
      return boolValue(itemsOf(list?.() ?? NULL, '$in').some((item) => sortKey(item).equals(key)))
    },
  },
  $arrayElemAt: {
    least: 2,
    most: 2,
    run([list, index]) {
      const [items, at] = [list?.(), index?.()]
      if (isNothing(items) || isNothing(at)) return NULL
      return element(itemsOf(items, '$arrayElemAt'), exact(at))
    },
  },
  $first: firstOrLast(0, '$first'),
  $last: firstOrLast(-1, '$last'),
  $concatArrays: plain(0, ANY, (values) => arrayOf(values.flatMap((value) => itemsOf(value, '$concatArrays')))),
  $reverseArray: plain(1, 1, ([value]) => arrayOf(itemsOf(value as Value, '$reverseArray').reverse())),
  $slice: plain(2, 3, slice),
  $setUnion: plain(0, ANY, union),
  $mergeObjects: { least: 1, most: ANY, run: mergeObjects },
  $year: datePart((date) => date.getUTCFullYear()),
  $month: datePart((date) => date.getUTCMonth() + 1),
  $dayOfMonth: datePart((date) => date.getUTCDate()),
  $hour: datePart((date) => date.getUTCHours()),
  $minute: datePart((date) => date.getUTCMinutes()),
  $second: datePart((date) => date.getUTCSeconds()),
}

function keyOf(value: Value | undefined): Buffer {
  return value ? sortKey(value) : MISSING_KEY
}

function cased(value: Value | undefined, change: (string: string) => string): Value {
  return stringValue(isNothing(value) ? '' : change(text(value, 'the operator')))
}
