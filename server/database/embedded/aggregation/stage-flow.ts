import { MongoRefusal } from '../errors.ts'
import { placesAt } from '../update/update-path.ts'
import { documentSortKey, type KeySpec } from '../values/paths.ts'
import { documentOf, longValue, type Node, NULL, opened, openObject } from '../values/tree.ts'
import { fieldsOf, isTruthy, stringOf, TYPE, type Value } from '../values/value.ts'
import type { Stage } from './aggregate.ts'

export function sortStage(sort: KeySpec): Stage {
  return function* sorted(documents) {
    const keyed = [...documents].map((document) => ({ document, key: documentSortKey(document, sort) }))
    keyed.sort((one, other) => one.key.compare(other.key))
    for (const { document } of keyed) yield document
  }
}

export function limitStage(limit: number): Stage {
  return function* limited(documents) {
    let given = 0
    for (const document of documents) {
      yield document
      given++
      if (given >= limit) return
    }
  }
}

export function skipStage(skip: number): Stage {
  return function* skipped(documents) {
    let passed = 0
    for (const document of documents) {
      if (passed >= skip) yield document
      else passed++
    }
  }
}

type Unwind = { path: string; index: string | undefined; keepsEmpty: boolean }

export function unwindStage(argument: Value): Stage {
  const unwind = unwindOf(argument)
  return function* unwound(documents) {
    for (const document of documents) yield* elements(document, unwind)
  }
}

const UNWIND_FIELDS = new Set(['path', 'includeArrayIndex', 'preserveNullAndEmptyArrays'])

function unwindOf(argument: Value): Unwind {
  if (argument.type === TYPE.string) return { path: pathOf(stringOf(argument)), index: undefined, keepsEmpty: false }
  const fields = argument.type === TYPE.object ? fieldsOf(argument) : []
  for (const { name } of fields) if (!UNWIND_FIELDS.has(name)) throw new MongoRefusal(2, `unrecognized option to $unwind stage: ${name}`)
  const field = (name: string) => fields.find((one) => one.name === name)?.value
  const path = field('path')
  const index = field('includeArrayIndex')
  if (path?.type !== TYPE.string) throw new MongoRefusal(2, 'no path specified to $unwind stage')
  return { path: pathOf(stringOf(path)), index: index && stringOf(index), keepsEmpty: isTruthy(field('preserveNullAndEmptyArrays')) }
}

function pathOf(path: string): string {
  if (!path.startsWith('$') || path.startsWith('$$'))
    throw new MongoRefusal(2, `path option to $unwind stage should be prefixed with a '$': ${path}`)
  return path.slice(1)
}

function* elements(document: Value, { path, index, keepsEmpty }: Unwind): Generator<Value> {
  const found = nodeAt(document, path)
  const tree = found && opened(found)
  if (tree?.kind === 'array' && tree.items.length > 0) {
    for (const [nth, item] of tree.items.entries()) yield changed(document, { path, item, index, nth: longValue(BigInt(nth)) })
    return
  }
  const isNothing = !found || tree?.kind === 'array' || (!('kind' in found) && (found.type === TYPE.null || found.type === TYPE.undefined))
  if (isNothing && !keepsEmpty) return
  const item = tree?.kind === 'array' ? undefined : found
  yield changed(document, { path, item, index, nth: NULL })
}

type Change = { path: string; item: Node | undefined; index: string | undefined; nth: Value }

function changed(document: Value, { path, item, index, nth }: Change): Value {
  const root = openObject(document)
  for (const place of placesAt(root, path, 'skip')) item === undefined ? place.unset() : place.set(item)
  if (index) for (const place of placesAt(root, index, 'create')) place.set(nth)
  return documentOf(root)
}

/** A path of `$unwind` goes through objects only. */
function nodeAt(document: Value, path: string): Node | undefined {
  let node: Node | undefined = document
  for (const part of path.split('.')) {
    const tree: ReturnType<typeof opened> = node && opened(node)
    node = tree?.kind === 'object' ? tree.fields.get(part) : undefined
  }
  return node
}
