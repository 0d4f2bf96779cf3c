import { MongoRefusal } from '../errors.ts'
import { parsePath } from '../values/paths.ts'
import { sortKey } from '../values/sort-key.ts'
import { documentOf, openObject, type Tree } from '../values/tree.ts'
import { elementsOf, fieldOf, fieldsOf, stringOf, TYPE, type Value } from '../values/value.ts'
import { type Change, type UpdateContext, updateOperators } from './update-operators.ts'
import { placesAt } from './update-path.ts'

/** A compiled update: gives the document as it will be, and never changes the one it is given. */
export type Update = { isReplacement: boolean; apply(document: Value, context: UpdateContext): Value }

const ID = Buffer.from('_id')

export function compileUpdate(update: Value): Update {
  if (update.type === TYPE.array) throw new MongoRefusal(115, 'the embedded database does not offer updates with an aggregation pipeline')
  if (update.type !== TYPE.object) throw new MongoRefusal(9, 'Update argument must be either an object or an array')
  const fields = fieldsOf(update)
  if (!fields[0]?.name.startsWith('$')) return replacement(update)
  const changes = fields.flatMap(({ name, value }) => changesOf(name, value))
  assertNoConflict(changes)
  changes.sort((one, other) => comparePaths(one.path, other.path))
  return {
    isReplacement: false,
    apply(document, context) {
      if (changes.length === 0) return document
      const root = openObject(document)
      for (const change of changes) updateOperators[change.operator]?.(root, change, context)
      const after = documentOf(root)
      if (!context.isInsert) assertSameId(document, after)
      return after
    },
  }
}

function replacement(update: Value): Update {
  for (const { name } of fieldsOf(update)) {
    if (name.startsWith('$'))
      throw new MongoRefusal(52, `The dollar ($) prefixed field '${name}' is not allowed in the context of a replacement`)
  }
  return {
    isReplacement: true,
    apply(document, { isInsert }) {
      const id = fieldOf(document, ID)
      const given = fieldOf(update, ID)
      if (!isInsert) assertSameId(document, given ? update : document)
      if (!id) return update
      const root = openObject(update)
      root.fields.delete('_id')
      return documentOf({ kind: 'object', fields: new Map([['_id', isInsert && given ? given : id], ...root.fields]) })
    },
  }
}

function changesOf(operator: string, argument: Value): Change[] {
  if (!updateOperators[operator]) {
    throw new MongoRefusal(
      9,
      `Unknown modifier: ${operator}. Expected a valid update modifier; the embedded database does not offer this one`,
    )
  }
  if (argument.type !== TYPE.object) throw new MongoRefusal(9, `Modifiers operate on fields but we found another type for ${operator}`)
  return fieldsOf(argument).map(({ name, value }) => {
    assertPath(name)
    if (operator === '$rename') {
      if (value.type !== TYPE.string) throw new MongoRefusal(2, `The 'to' field for $rename must be a string: ${name}`)
      assertPath(stringOf(value))
      if (stringOf(value) === name) throw new MongoRefusal(2, `The source and target field for $rename must differ: ${name}`)
    }
    return { operator, path: name, argument: value }
  })
}

function assertPath(path: string) {
  for (const part of path.split('.')) {
    if (part === '') throw new MongoRefusal(56, `The update path '${path}' contains an empty field name, which is not allowed.`)
    if (part === '$' || (part.startsWith('$[') && part !== '$[]')) {
      throw new MongoRefusal(2, `the embedded database does not offer the positional part '${part}' of '${path}'`)
    }
    if (part.startsWith('$') && part !== '$[]' && !['$ref', '$id', '$db'].includes(part)) {
      throw new MongoRefusal(
        52,
        `The dollar ($) prefixed field '${part}' in '${path}' is not allowed in the context of an update operator.`,
      )
    }
  }
}

function assertNoConflict(changes: Change[]) {
  const paths = changes.flatMap((change) => (change.operator === '$rename' ? [change.path, stringOf(change.argument)] : [change.path]))
  const sorted = [...paths].sort()
  for (const [at, path] of sorted.entries()) {
    const clash = sorted.slice(at + 1).find((other) => other === path || other.startsWith(`${path}.`))
    if (clash) throw new MongoRefusal(40, `Updating the path '${clash}' would create a conflict at '${path}'`)
  }
}

/** MongoDB adds new fields in the order of their names, numbers as numbers. */
function comparePaths(one: string, other: string): number {
  const [left, right] = [parsePath(one).parts, parsePath(other).parts]
  for (const [at, part] of left.entries()) {
    const against = right[at]
    if (!against) return 1
    if (part.index !== undefined && against.index !== undefined && part.index !== against.index) return part.index - against.index
    const order = part.bytes.compare(against.bytes)
    if (order !== 0) return order
  }
  return left.length - right.length
}

function assertSameId(before: Value, after: Value) {
  const [old, fresh] = [fieldOf(before, ID), fieldOf(after, ID)]
  if (old && fresh && sortKey(old).equals(sortKey(fresh))) return
  throw new MongoRefusal(66, "Performing an update on the path '_id' would modify the immutable field '_id'")
}

/** What an upsert starts from: the fields its filter holds to one value. */
export function seedOf(filter: Value, onlyId: boolean): Value {
  const root: Tree = { kind: 'object', fields: new Map() }
  seed(root, filter, onlyId)
  return documentOf(root)
}

function seed(root: Tree, filter: Value, onlyId: boolean) {
  for (const { name, value } of fieldsOf(filter)) {
    if (name === '$and') for (const branch of elementsOf(value)) seed(root, branch, onlyId)
    if (name.startsWith('$') || (onlyId && name !== '_id')) continue
    const equal = equalValue(value)
    if (!equal) continue
    for (const place of placesAt(root, name, 'create')) place.set(equal)
  }
}

function equalValue(value: Value): Value | undefined {
  if (value.type === TYPE.regex) return undefined
  if (value.type !== TYPE.object) return value
  const first = fieldsOf(value)[0]
  if (!first?.name.startsWith('$') || first.name === '$ref') return value
  return fieldsOf(value).find((field) => field.name === '$eq')?.value
}
