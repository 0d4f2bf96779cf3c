import { MongoRefusal } from '../errors.ts'
import { elementsOf, TYPE, type Value } from '../values/value.ts'

/** Where an expression is computed: the document, and the variables around it. A missing result is undefined, and is not null. */
export type Scope = { root: Value; variables: ReadonlyMap<string, Value | undefined> }
export type Expression = (scope: Scope) => Value | undefined
export type CompileExpression = (value: Value, variables?: ReadonlySet<string>) => Expression

export function isNothing(value: Value | undefined): value is undefined {
  return !value || value.type === TYPE.null || value.type === TYPE.undefined
}

export function itemsOf(value: Value, operator: string): Value[] {
  if (value.type !== TYPE.array) throw new MongoRefusal(2, `input to ${operator} must be an array`)
  return elementsOf(value)
}
