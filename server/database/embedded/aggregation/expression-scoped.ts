import { MongoRefusal } from '../errors.ts'
import { arrayOf, NULL } from '../values/tree.ts'
import { elementsOf, fieldsOf, isTruthy, stringOf, TYPE, type Value } from '../values/value.ts'
import { type CompileExpression, type Expression, isNothing, itemsOf, type Scope } from './expression-values.ts'

type Context = { variables: ReadonlySet<string>; compile: CompileExpression }
type Compile = (argument: Value, context: Context) => Expression

/** Operators that name their arguments, or bring in variables of their own. */
export const scopedOperators: Record<string, Compile> = {
  $filter: (argument, { variables, compile }) => {
    const { input, inner, name } = eachOf(argument, { variables, compile, body: 'cond' })
    return overItems(input, (scope, item) => (isTruthy(inner(withVariable(scope, name, item))) ? item : undefined))
  },
  $map: (argument, { variables, compile }) => {
    const { input, inner, name } = eachOf(argument, { variables, compile, body: 'in' })
    return overItems(input, (scope, item) => inner(withVariable(scope, name, item)) ?? NULL)
  },
  $reduce: (argument, { variables, compile }) => {
    const given = named(argument, '$reduce', ['input', 'initialValue', 'in'])
    const input = compile(given('input'), variables)
    const initial = compile(given('initialValue'), variables)
    const step = compile(given('in'), new Set([...variables, 'this', 'value']))
    return (scope) => {
      const list = input(scope)
      if (isNothing(list)) return NULL
      return itemsOf(list, '$reduce').reduce<Value | undefined>((value, item) => {
        return step(withVariable(withVariable(scope, 'this', item), 'value', value))
      }, initial(scope))
    }
  },
  $let: (argument, { variables, compile }) => {
    const given = named(argument, '$let', ['vars', 'in'])
    const vars = fieldsOf(given('vars')).map(({ name, value }) => ({ name, value: compile(value, variables) }))
    const body = compile(given('in'), new Set([...variables, ...vars.map(({ name }) => name)]))
    return (scope) => body(vars.reduce((inner, { name, value }) => withVariable(inner, name, value(scope)), scope))
  },
  $cond: (argument, { variables, compile }) => {
    const parts = argument.type === TYPE.array ? elementsOf(argument) : namedParts(argument)
    if (parts.length !== 3) throw new MongoRefusal(168, `Expression $cond takes exactly 3 arguments. ${parts.length} were passed in.`)
    const [condition, yes, no] = parts.map((part) => compile(part, variables)) as [Expression, Expression, Expression]
    return (scope) => (isTruthy(condition(scope)) ? yes(scope) : no(scope))
  },
  $switch: (argument, { variables, compile }) => {
    const fields = new Map(fieldsOf(argument).map((field) => [field.name, field.value]))
    const list = fields.get('branches')
    if (list?.type !== TYPE.array) throw new MongoRefusal(168, '$switch needs an array of branches')
    const branches = elementsOf(list).map((branch) => {
      const given = named(branch, '$switch', ['case', 'then'])
      return { test: compile(given('case'), variables), result: compile(given('then'), variables) }
    })
    const otherwise = fields.get('default')
    const last = otherwise && compile(otherwise, variables)
    return (scope) => {
      for (const { test, result } of branches) if (isTruthy(test(scope))) return result(scope)
      if (!last) throw new MongoRefusal(2, '$switch could not find a matching branch for an input, and no default was specified.')
      return last(scope)
    }
  },
}

function namedParts(argument: Value): Value[] {
  const given = named(argument, '$cond', ['if', 'then', 'else'])
  return [given('if'), given('then'), given('else')]
}

type Each = Context & { body: string }

function eachOf(argument: Value, { variables, compile, body }: Each) {
  const given = named(argument, `$${body}`, ['input', body], ['as'])
  const as = fieldsOf(argument).find((field) => field.name === 'as')?.value
  const name = as ? stringOf(as) : 'this'
  return { name, input: compile(given('input'), variables), inner: compile(given(body), new Set([...variables, name])) }
}

function overItems(input: Expression, act: (scope: Scope, item: Value) => Value | undefined): Expression {
  return (scope) => {
    const list = input(scope)
    if (isNothing(list)) return NULL
    const items = itemsOf(list, 'the operator').map((item) => act(scope, item))
    return arrayOf(items.filter((item) => item !== undefined))
  }
}

function named(argument: Value, operator: string, names: string[], optional: string[] = []): (name: string) => Value {
  const fields = argument.type === TYPE.object ? fieldsOf(argument) : []
  for (const { name } of fields) {
    if (!names.includes(name) && !optional.includes(name)) throw new MongoRefusal(168, `Unrecognized parameter to ${operator}: ${name}`)
  }
  return (name) => {
    const found = fields.find((field) => field.name === name)?.value
    if (!found) throw new MongoRefusal(168, `Missing '${name}' parameter to ${operator}`)
    return found
  }
}

function withVariable(scope: Scope, name: string, value: Value | undefined): Scope {
  return { root: scope.root, variables: new Map(scope.variables).set(name, value) }
}
