import { MongoRefusal } from '../errors.ts'
import { type Path, parsePath, someAtPath } from '../values/paths.ts'
import { sortKey } from '../values/sort-key.ts'
import { elementsOf, type Field, fieldsOf, TYPE, type Value } from '../values/value.ts'
import { allLeaves, compileOperator, equalTo, type LeafTest } from './filter-operators.ts'

export type Test = (document: Value) => boolean

/** What a clause says of one path in terms an index understands. Keys are ascending encodings. */
export type Bound =
  | { kind: 'equal'; keys: Buffer[]; hasNull: boolean }
  | { kind: 'range'; low?: Edge; high?: Edge; typeClass: number }
  | { kind: 'exists' }
export type Edge = { key: Buffer; inclusive: boolean }

/** One condition that must hold. `isExact`: on an index without arrays its bound says all of it, so the document need not be read. */
export type Clause = { path?: string; bound?: Bound; isExact: boolean; test: Test }

export type Filter = { clauses: Clause[]; test: Test }

/** Compiles a filter once for many documents. What it does not know is refused by name, never passed over. */
export function compileFilter(filter: Value | undefined): Filter {
  const clauses: Clause[] = []
  if (filter) for (const field of fieldsOf(filter)) clauses.push(...compileField(field))
  return { clauses, test: allOf(clauses) }
}

export function allOf(clauses: Clause[]): Test {
  const [first] = clauses
  if (!first) return () => true
  if (clauses.length === 1) return first.test
  return (document) => {
    for (const clause of clauses) if (!clause.test(document)) return false
    return true
  }
}

function compileField({ name, value }: Field): Clause[] {
  if (name.startsWith('$')) return compileLogical(name, value)
  const path = parsePath(name)
  if (value.type === TYPE.object && isOperators(value)) return compileOperators(path, value)
  return [equalClause(path, value)]
}

/** `{ $gt: … }` holds operators; `{ a: … }`, `{}` and a DBRef (`$ref`) are plain values. */
export function isOperators(value: Value): boolean {
  const first = fieldsOf(value)[0]
  return first?.name.startsWith('$') === true && first.name !== '$ref' && first.name !== '$id'
}

function compileLogical(name: string, value: Value): Clause[] {
  if (name === '$comment') return []
  if (name !== '$and' && name !== '$or' && name !== '$nor') {
    throw new MongoRefusal(2, `unknown top level operator: ${name}. The embedded database does not offer it`)
  }
  if (value.type !== TYPE.array) throw new MongoRefusal(2, `${name} must be an array`)
  const branches = elementsOf(value).map((branch) => {
    if (branch.type !== TYPE.object) throw new MongoRefusal(2, `${name} argument's entries must be objects`)
    return compileFilter(branch)
  })
  if (branches.length === 0) throw new MongoRefusal(2, `${name} argument must be a non-empty array`)
  if (name === '$and') return branches.flatMap((branch) => branch.clauses)
  const [only] = branches
  if (name === '$or' && only && branches.length === 1) return only.clauses
  const some: Test = (document) => branches.some((branch) => branch.test(document))
  return [{ isExact: false, test: name === '$or' ? some : (document) => !some(document) }]
}

function equalClause(path: Path, value: Value): Clause {
  const leaf = equalTo(value)
  const clause: Clause = { path: path.name, isExact: true, test: leafTest(path, leaf) }
  if (value.type === TYPE.regex || value.type === TYPE.array || value.type === TYPE.undefined) return { ...clause, isExact: false }
  const hasNull = value.type === TYPE.null
  return { ...clause, bound: { kind: 'equal', keys: [sortKey(value)], hasNull }, isExact: !hasNull }
}

function compileOperators(path: Path, operators: Value): Clause[] {
  const fields = fieldsOf(operators)
  const clauses: Clause[] = []
  for (const { name, value } of fields) {
    if (!name.startsWith('$')) throw new MongoRefusal(2, `unknown operator: ${name}`)
    if (name === '$options') {
      if (!fields.some((field) => field.name === '$regex')) throw new MongoRefusal(2, '$options needs a $regex')
      continue
    }
    clauses.push(compileOne({ path, name, value, fields }))
  }
  return clauses
}

type Operator = { path: Path; name: string; value: Value; fields: Field[] }

function compileOne(operator: Operator): Clause {
  const { path, name, value, fields } = operator
  if (name === '$eq') return equalClause(path, value)
  if (name === '$not') return negate(path, compileNot(path, value))
  const input = { name, value, fields, filterOf: compileFilter, operatorsOf: elementTest }
  if (name === '$all') {
    const clauses = allLeaves(input).map((leaf) => ({ isExact: false, test: leafTest(path, leaf) }))
    return { path: path.name, isExact: false, test: allOf(clauses) }
  }
  const compiled = compileOperator(input)
  const test = compiled.isNegated ? not(leafTest(path, compiled.leaf)) : leafTest(path, compiled.leaf)
  const clause: Clause = { path: path.name, isExact: compiled.isExact, test }
  return compiled.bound ? { ...clause, bound: compiled.bound } : clause
}

function compileNot(path: Path, value: Value): Clause[] {
  if (value.type === TYPE.regex) return [equalClause(path, value)]
  if (value.type !== TYPE.object) throw new MongoRefusal(2, '$not needs a regex or a document')
  const fields = fieldsOf(value)
  if (fields.length === 0) throw new MongoRefusal(2, '$not cannot be empty')
  if (!isOperators(value)) throw new MongoRefusal(2, `unknown operator: ${fields[0]?.name}`)
  return compileOperators(path, value)
}

function negate(path: Path, clauses: Clause[]): Clause {
  return { path: path.name, isExact: false, test: not(allOf(clauses)) }
}

function not(test: Test): Test {
  return (document) => !test(document)
}

function leafTest(path: Path, leaf: LeafTest): Test {
  return (document) => someAtPath(document, path, leaf.entersArrays, leaf.test)
}

const ELEMENT = parsePath('0')

/** `$elemMatch: { $gt: 5 }` asks of the element itself: the element is wrapped so that the same clauses serve. */
function elementTest(operators: Value): (element: Value) => boolean {
  const test = allOf(compileOperators(ELEMENT, operators))
  return (element) => test(wrap(element))
}

function wrap(element: Value): Value {
  const size = element.end - element.start
  const buffer = Buffer.allocUnsafe(4 + 3 + size + 1)
  buffer.writeInt32LE(buffer.length, 0)
  buffer[4] = element.type
  buffer[5] = 0x30
  buffer[6] = 0
  element.buffer.copy(buffer, 7, element.start, element.end)
  buffer[buffer.length - 1] = 0
  return { type: TYPE.object, buffer, start: 0, end: buffer.length }
}
