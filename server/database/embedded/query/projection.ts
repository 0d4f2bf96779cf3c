import { MongoRefusal } from '../errors.ts'
import { documentOf, type Node, opened, openObject, type Tree } from '../values/tree.ts'
import { elementsOf, fieldsOf, isNumber, isTruthy, numberOf, TYPE, type Value } from '../values/value.ts'
import { compileFilter } from './filter.ts'

export type Project = (document: Value) => Value

type Rule = { kind: 'keep' } | { kind: 'inner'; rules: Rules } | { kind: 'array'; pick: (elements: Value[]) => Value[] }
type Rules = Map<string, Rule>

/** A `find` projection: fields in, or fields out, with `$slice` and `$elemMatch`. Expressions and `$` are refused by name. */
export function compileProjection(projection: Value | undefined): Project | undefined {
  if (!projection) return undefined
  const fields = fieldsOf(projection)
  if (fields.length === 0) return undefined
  const plain = fields.filter(({ name, value }) => name !== '_id' && value.type !== TYPE.object)
  const id = fields.find((field) => field.name === '_id')
  const arrays = fields.filter(({ value }) => value.type === TYPE.object)
  const hasElemMatch = arrays.some(({ value }) => fieldsOf(value)[0]?.name === '$elemMatch')
  const [first] = plain
  const isInclusion = first ? isTruthy(first.value) : hasElemMatch || (id !== undefined && isTruthy(id.value))
  const rules: Rules = new Map()
  for (const { name, value } of fields) {
    if (value.type === TYPE.object) {
      addRule(rules, name, arrayRule(name, value))
      continue
    }
    if (!isNumber(value.type) && value.type !== TYPE.bool) {
      throw new MongoRefusal(115, `the embedded database does not offer expressions in a projection: '${name}'`)
    }
    if (name !== '_id' && isTruthy(value) !== isInclusion) throw mixed(name, isInclusion)
    if (name === '_id' && isTruthy(value) !== isInclusion) continue
    addRule(rules, name, { kind: 'keep' })
  }
  const keepsId = !(id && !isTruthy(id.value))
  if (isInclusion && keepsId) rules.set('_id', { kind: 'keep' })
  return (document) => {
    const root = openObject(document)
    if (isInclusion) include(root, rules)
    else exclude(root, rules)
    if (!keepsId) root.fields.delete('_id')
    return documentOf(root)
  }
}

function mixed(name: string, isInclusion: boolean) {
  if (isInclusion) return new MongoRefusal(31254, `Cannot do exclusion on field ${name} in inclusion projection`)
  return new MongoRefusal(31253, `Cannot do inclusion on field ${name} in exclusion projection`)
}

function addRule(rules: Rules, path: string, rule: Rule) {
  const parts = path.split('.')
  if (parts.some((part) => part.startsWith('$'))) {
    throw new MongoRefusal(2, `the embedded database does not offer a positional projection: '${path}'`)
  }
  const last = parts.pop() ?? ''
  let at = rules
  for (const part of parts) {
    const here: Rule = at.get(part) ?? { kind: 'inner', rules: new Map() }
    if (here.kind !== 'inner') throw new MongoRefusal(31249, `Path collision at ${path}`)
    at.set(part, here)
    at = here.rules
  }
  if (at.has(last)) throw new MongoRefusal(31249, `Path collision at ${path}`)
  at.set(last, rule)
}

function arrayRule(name: string, value: Value): Rule {
  const [operator] = fieldsOf(value)
  if (operator?.name === '$slice') return { kind: 'array', pick: slicer(operator.value) }
  if (operator?.name === '$elemMatch' && operator.value.type === TYPE.object) {
    const { test } = compileFilter(wrapElemMatch(value))
    return { kind: 'array', pick: (elements) => elements.filter((element) => test(oneElement(element))).slice(0, 1) }
  }
  throw new MongoRefusal(115, `the embedded database does not offer ${operator?.name ?? 'an expression'} in the projection of '${name}'`)
}

function slicer(value: Value): (elements: Value[]) => Value[] {
  const [skip, limit] = value.type === TYPE.array ? elementsOf(value).map(numberOf) : [undefined, numberOf(value)]
  if (limit === undefined) throw new MongoRefusal(2, '$slice needs a number or two')
  if (skip === undefined) return (elements) => (limit < 0 ? elements.slice(limit) : elements.slice(0, limit))
  if (limit <= 0) throw new MongoRefusal(2, '$slice limit must be positive')
  return (elements) => {
    const start = skip < 0 ? Math.max(0, elements.length + skip) : skip
    return elements.slice(start, start + limit)
  }
}

/** Asks `{ a: { $elemMatch } }` of one element at a time, as the only element of an array `a`. */
function wrapElemMatch(value: Value): Value {
  return documentOf({ kind: 'object', fields: new Map([['a', value]]) })
}
function oneElement(element: Value): Value {
  return documentOf({ kind: 'object', fields: new Map<string, Node>([['a', { kind: 'array', items: [element] }]]) })
}

function include(tree: Tree & { kind: 'object' }, rules: Rules) {
  for (const [name, node] of [...tree.fields]) {
    const rule = rules.get(name)
    const kept = rule && applyInclusion(node, rule)
    if (kept === undefined) tree.fields.delete(name)
    else tree.fields.set(name, kept)
  }
}

function applyInclusion(node: Node, rule: Rule): Node | undefined {
  if (rule.kind === 'keep') return node
  if (rule.kind === 'array') return pickFrom(node, rule.pick)
  const tree = opened(node)
  if (!tree) return undefined
  if (tree.kind === 'object') include(tree, rule.rules)
  else tree.items = tree.items.map((item) => applyInclusion(item, rule)).filter((item) => item !== undefined)
  return tree
}

function exclude(tree: Tree & { kind: 'object' }, rules: Rules) {
  for (const [name, rule] of rules) {
    const node = tree.fields.get(name)
    if (node === undefined) continue
    if (rule.kind === 'keep') tree.fields.delete(name)
    else tree.fields.set(name, applyExclusion(node, rule))
  }
}

function applyExclusion(node: Node, rule: Rule): Node {
  if (rule.kind === 'array') return pickFrom(node, rule.pick) ?? node
  if (rule.kind === 'keep') return node
  const tree = opened(node)
  if (!tree) return node
  if (tree.kind === 'object') exclude(tree, rule.rules)
  else tree.items = tree.items.map((item) => applyExclusion(item, rule))
  return tree
}

function pickFrom(node: Node, pick: (elements: Value[]) => Value[]): Node | undefined {
  const tree = opened(node)
  if (tree?.kind !== 'array') return node
  const picked = pick(tree.items as Value[])
  return { kind: 'array', items: picked }
}
