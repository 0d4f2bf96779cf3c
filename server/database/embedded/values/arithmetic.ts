import { MongoRefusal } from '../errors.ts'
import { doubleValue, intValue, longValue } from './tree.ts'
import { isNumber, numberOf, TYPE, type Value } from './value.ts'

const INT_MAX = 2 ** 31 - 1
const LONG_MAX = 2n ** 63n - 1n

/** Adds or multiplies as MongoDB: int stays int until it overflows into long, a double makes a double, a long overflow is refused. */
export function calculate(left: Value, right: Value, operator: '$inc' | '$mul'): Value {
  if (left.type === TYPE.decimal || right.type === TYPE.decimal) {
    throw new MongoRefusal(2, `the embedded database does not offer ${operator} on Decimal128`)
  }
  if (left.type === TYPE.double || right.type === TYPE.double) {
    const [one, other] = [numberOf(left) ?? 0, numberOf(right) ?? 0]
    return doubleValue(operator === '$inc' ? one + other : one * other)
  }
  const [one, other] = [wholeOf(left), wholeOf(right)]
  const result = operator === '$inc' ? one + other : one * other
  if (result > LONG_MAX || result < -LONG_MAX - 1n) {
    throw new MongoRefusal(2, `Failed to apply ${operator} operations to current value ((NumberLong)${one}): the result is past 64 bits`)
  }
  const isInt = left.type === TYPE.int && right.type === TYPE.int && result <= INT_MAX && result >= -INT_MAX - 1
  return isInt ? intValue(Number(result)) : longValue(result)
}

export function zeroLike(value: Value): Value {
  if (value.type === TYPE.int) return intValue(0)
  return value.type === TYPE.double ? doubleValue(0) : longValue(0n)
}

function wholeOf(value: Value): bigint {
  return value.type === TYPE.int ? BigInt(value.buffer.readInt32LE(value.start)) : value.buffer.readBigInt64LE(value.start)
}

export function assertNumber(value: Value, message: string) {
  if (!isNumber(value.type)) throw new MongoRefusal(14, message)
}
