import { MongoRefusal } from '../errors.ts'
import { arrayOf, documentOf, type Node, NULL } from '../values/tree.ts'
import { elementsOf, fieldOf, fieldsOf, stringOf, TYPE, type Value } from '../values/value.ts'
import { expressionOperators } from './expression-operators.ts'
import { scopedOperators } from './expression-scoped.ts'
import type { Expression, Scope } from './expression-values.ts'

// Own, and not mingo's: mingo 7.2 takes a missing field for null and does not compare across types, where MongoDB does both differently.
export function compileExpression(value: Value, variables: ReadonlySet<string> = new Set()): Expression {
  if (value.type === TYPE.string) return compileString(stringOf(value), value, variables)
  if (value.type === TYPE.array) return compileArray(value, variables)
  if (value.type !== TYPE.object) return () => value
  const fields = fieldsOf(value)
  const [first] = fields
  if (!first?.name.startsWith('$')) return compileObject(value, variables)
  if (fields.length > 1) throw new MongoRefusal(168, `an expression has one operator, ${first.name} is not alone`)
  return compileOperator(first.name, first.value, variables)
}

function compileOperator(name: string, argument: Value, variables: ReadonlySet<string>): Expression {
  if (name === '$literal') return () => argument
  const scoped = scopedOperators[name]
  if (scoped) return scoped(argument, { variables, compile: compileExpression })
  const operator = expressionOperators[name]
  if (!operator) throw new MongoRefusal(168, `Unrecognized expression '${name}', or one the embedded database does not offer`)
  const given = argument.type === TYPE.array ? elementsOf(argument) : [argument]
  if (given.length < operator.least || given.length > operator.most) {
    throw new MongoRefusal(168, `Expression ${name} takes ${operator.least} to ${operator.most} arguments, ${given.length} were passed in`)
  }
  const compiled = given.map((one) => compileExpression(one, variables))
  return (scope) => operator.run(compiled.map((one) => () => one(scope)))
}

function compileString(text: string, literal: Value, variables: ReadonlySet<string>): Expression {
  if (!text.startsWith('$')) return () => literal
  if (!text.startsWith('$$')) return pathOf(text.slice(1), (scope) => scope.root)
  const [name = '', ...path] = text.slice(2).split('.')
  const start = variableOf(name, variables)
  return path.length > 0 ? pathOf(path.join('.'), start) : start
}

function variableOf(name: string, variables: ReadonlySet<string>): Expression {
  if (name === 'ROOT' || name === 'CURRENT') return (scope) => scope.root
  if (name === 'REMOVE') return () => undefined
  if (!variables.has(name)) throw new MongoRefusal(168, `Use of undefined or not offered variable: ${name}`)
  return (scope) => scope.variables.get(name)
}

function pathOf(path: string, start: Expression): Expression {
  const parts = path.split('.').map((part) => Buffer.from(part))
  if (parts.some((part) => part.length === 0)) throw new MongoRefusal(168, `'$${path}' is not a field path`)
  return (scope) => follow(start(scope), parts, 0)
}

/** Through an array a path gives an array of what its elements have. */
function follow(value: Value | undefined, parts: Buffer[], at: number): Value | undefined {
  const part = parts[at]
  if (!part || !value) return value
  if (value.type === TYPE.object) return follow(fieldOf(value, part), parts, at + 1)
  if (value.type !== TYPE.array) return undefined
  const items = elementsOf(value).map((element) => follow(element, parts, at))
  return arrayOf(items.filter((item) => item !== undefined))
}

function compileArray(value: Value, variables: ReadonlySet<string>): Expression {
  const compiled = elementsOf(value).map((element) => compileExpression(element, variables))
  return (scope) => arrayOf(compiled.map((element) => element(scope) ?? NULL))
}

function compileObject(value: Value, variables: ReadonlySet<string>): Expression {
  const compiled = fieldsOf(value).map((field) => ({ name: field.name, expression: compileExpression(field.value, variables) }))
  return (scope) => {
    const fields = new Map<string, Node>()
    for (const { name, expression } of compiled) {
      const result = expression(scope)
      if (result) fields.set(name, result)
    }
    return documentOf({ kind: 'object', fields })
  }
}

export function scopeOf(root: Value): Scope {
  return { root, variables: NO_VARIABLES }
}
const NO_VARIABLES: ReadonlyMap<string, Value> = new Map()
