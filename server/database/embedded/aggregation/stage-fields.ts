import { MongoRefusal } from '../errors.ts'
import { compileProjection } from '../query/projection.ts'
import { placesAt } from '../update/update-path.ts'
import { documentOf, intValue, openObject } from '../values/tree.ts'
import { documentAt, elementsOf, fieldsOf, isNumber, stringOf, TYPE, type Value } from '../values/value.ts'
import type { Stage } from './aggregate.ts'
import type { Expression } from './expression-values.ts'
import { compileExpression, scopeOf } from './expressions.ts'
import { documentArgument, documentWith } from './stage-values.ts'

type Given = { path: string; value: Value }
type Computed = { path: string; compute: Expression }

export function addFieldsStage(argument: Value): Stage {
  const computed = flattened(documentArgument(argument, '$addFields')).map(compiled)
  return function* added(documents) {
    for (const document of documents) yield withComputed(document, document, computed)
  }
}

/** Fields in or out as `find` does it, and computed fields after them. */
export function projectStage(argument: Value): Stage {
  const given = flattened(documentArgument(argument, '$project'))
  if (given.length === 0) throw new MongoRefusal(2, 'Invalid $project: specification must have at least one field')
  const plain = given.filter(({ value }) => isPlain(value))
  const computed = given.filter(({ value }) => !isPlain(value)).map(compiled)
  const project = baseOf(plain, computed.length > 0)
  return function* projected(documents) {
    for (const document of documents) {
      const base = project(document)
      yield computed.length > 0 ? withComputed(document, base, computed) : base
    }
  }
}

function isPlain(value: Value): boolean {
  return isNumber(value.type) || value.type === TYPE.bool
}

/** With computed fields a projection always names what stays; `_id` stays unless it is put out. */
function baseOf(plain: Given[], isComputed: boolean): (document: Value) => Value {
  const fields = plain.map(({ path, value }): [string, Value] => [path, value])
  const isIdOnly = plain.every(({ path }) => path === '_id')
  if (isComputed && isIdOnly) {
    const keepsId = !plain.some(({ value }) => isOff(value))
    if (!keepsId) return () => documentAt(EMPTY)
    fields.push(['_id', intValue(1)])
  }
  if (isComputed && plain.some(({ path, value }) => path !== '_id' && isOff(value))) {
    throw new MongoRefusal(31254, 'Invalid $project: cannot put fields out and compute others')
  }
  const project = compileProjection(documentWith(fields))
  if (!project) throw new MongoRefusal(2, 'Invalid $project')
  return project
}

function isOff(value: Value): boolean {
  return value.buffer.subarray(value.start, value.end).every((byte) => byte === 0)
}

const EMPTY = Buffer.from([5, 0, 0, 0, 0])

function withComputed(document: Value, base: Value, computed: Computed[]): Value {
  const scope = scopeOf(document)
  const root = openObject(base)
  for (const { path, compute } of computed) {
    const value = compute(scope)
    for (const place of placesAt(root, path, value ? 'create' : 'skip')) {
      if (value) place.set(value)
      else place.unset()
    }
  }
  return documentOf(root)
}

function compiled({ path, value }: Given): Computed {
  return { path, compute: compileExpression(value) }
}

/** `{ a: { b: … } }` without operators is the path `a.b`. */
function flattened(value: Value, prefix = ''): Given[] {
  return fieldsOf(value).flatMap(({ name, value: inner }) => {
    const path = prefix + name
    const fields = inner.type === TYPE.object ? fieldsOf(inner) : []
    const isNested = fields.length > 0 && !fields[0]?.name.startsWith('$')
    return isNested ? flattened(inner, `${path}.`) : [{ path, value: inner }]
  })
}

export function unsetStage(argument: Value): Stage {
  const names = argument.type === TYPE.array ? elementsOf(argument) : [argument]
  if (names.some((name) => name.type !== TYPE.string))
    throw new MongoRefusal(2, '$unset specification must be a string or an array of strings')
  const project = compileProjection(documentWith(names.map((name) => [stringOf(name), intValue(0)])))
  return function* unset(documents) {
    for (const document of documents) yield project ? project(document) : document
  }
}

export function replaceStage(argument: Value): Stage {
  const root = compileExpression(argument)
  return function* replaced(documents) {
    for (const document of documents) {
      const value = root(scopeOf(document))
      if (value?.type !== TYPE.object) throw new MongoRefusal(40228, "'newRoot' expression must evaluate to an object")
      yield value
    }
  }
}
