import { MongoRefusal } from '../errors.ts'
import { compoundKey } from './sort-key.ts'
import { elementsOf, fieldOf, TYPE, type Value } from './value.ts'

export type Path = { name: string; parts: PathPart[] }
export type PathPart = { bytes: Buffer; index: number | undefined }

export function parsePath(name: string): Path {
  const parts = name.split('.').map((part) => ({
    bytes: Buffer.from(part),
    index: /^(0|[1-9]\d{0,8})$/.test(part) ? Number(part) : undefined,
  }))
  return { name, parts }
}

type Visit = (value: Value | undefined) => boolean

/**
 * Visits what a filter on this path looks at, as MongoDB does: arrays on the way are entered, a missing field is visited as undefined.
 * Stops, and answers true, as soon as one visit does. With `leaves`, the elements of an array at the end are visited before itself.
 */
export function someAtPath(document: Value, path: Path, leaves: boolean, visit: Visit): boolean {
  return someFrom(document, { parts: path.parts, leaves, visit }, 0)
}

type Walk = { parts: PathPart[]; leaves: boolean; visit: Visit }

function someFrom(object: Value, walk: Walk, at: number): boolean {
  const part = walk.parts[at] as PathPart
  const field = fieldOf(object, part.bytes)
  if (!field) return walk.visit(undefined)
  return someAtField(field, walk, at)
}

function someAtField(field: Value, walk: Walk, at: number): boolean {
  if (at === walk.parts.length - 1) return visitLeaf(field, walk)
  if (field.type === TYPE.object) return someFrom(field, walk, at + 1)
  if (field.type !== TYPE.array) return walk.visit(undefined)
  const elements = elementsOf(field)
  for (const element of elements) if (element.type === TYPE.object && someFrom(element, walk, at + 1)) return true
  const index = walk.parts[at + 1]?.index
  if (index === undefined) return false
  const element = elements[index]
  if (!element) return false
  return someAtField(element, walk, at + 1)
}

function visitLeaf(field: Value, walk: Walk): boolean {
  if (walk.leaves && field.type === TYPE.array) for (const element of elementsOf(field)) if (walk.visit(element)) return true
  return walk.visit(field)
}

export type KeySpec = { path: Path; descending: boolean }[]
/** `arrays` = the fields of the key whose path met one. */
export type DocumentKeys = { keys: Buffer[]; arrays: ReadonlySet<string>; isAllMissing: boolean }

const UNDEFINED: Value = { type: TYPE.undefined, buffer: Buffer.alloc(0), start: 0, end: 0 }

type Trail = { value: Value | undefined; at: number; isDone: boolean }
type Keys = {
  spec: KeySpec
  prefix: Buffer
  found: Map<string, Buffer>
  arrays: Set<string>
  isAllMissing: boolean
  parallel: () => MongoRefusal
}

/**
 * The index keys of a document: one, or one for each element of an array on a path. Two paths through the same array stay together
 * (as MongoDB's BtreeKeyGenerator does); two different arrays in one key are refused.
 */
export function documentKeys(document: Value, spec: KeySpec, prefix: Buffer, parallel = cannotIndexParallel): DocumentKeys {
  const keys: Keys = { spec, prefix, found: new Map(), arrays: new Set(), isAllMissing: true, parallel }
  generate(
    spec.map(() => ({ value: document, at: 0, isDone: false })),
    keys,
  )
  return { keys: [...keys.found.values()], arrays: keys.arrays, isAllMissing: keys.isAllMissing }
}

function generate(trails: Trail[], keys: Keys) {
  let array: Value | undefined
  const ends = trails.map((trail, nth) => {
    const end = descend(trail, keys.spec[nth]?.path.parts ?? [])
    if (!end.isDone && end.value) {
      if (array && array.start !== end.value.start) throw keys.parallel()
      array = end.value
      keys.arrays.add(keys.spec[nth]?.path.name ?? '')
    }
    return end
  })
  if (!array) return emit(ends, keys)
  const elements = elementsOf(array)
  if (elements.length === 0)
    return generate(
      ends.map((end, nth) => enter(end, undefined, partsOf(keys, nth))),
      keys,
    )
  for (const element of elements)
    generate(
      ends.map((end, nth) => enter(end, element, partsOf(keys, nth))),
      keys,
    )
}

function partsOf(keys: Keys, nth: number): PathPart[] {
  return keys.spec[nth]?.path.parts ?? []
}

/** Follows a path through objects until its end, a missing field, or an array that has to be entered. */
function descend(trail: Trail, parts: PathPart[]): Trail {
  let { value, at, isDone } = trail
  while (!isDone) {
    const part = parts[at]
    if (!part) return { value, at, isDone: value?.type !== TYPE.array }
    if (value?.type === TYPE.array) {
      const element = part.index === undefined ? undefined : elementsOf(value)[part.index]
      if (!element) return { value, at, isDone: false }
      value = element
      at++
    } else if (value?.type === TYPE.object) {
      value = fieldOf(value, part.bytes)
      at++
      if (!value) isDone = true
    } else {
      value = undefined
      isDone = true
    }
  }
  return { value, at, isDone: true }
}

function enter(end: Trail, element: Value | undefined, parts: PathPart[]): Trail {
  if (end.isDone) return end
  const isLast = end.at >= parts.length
  if (isLast) return { value: element ?? UNDEFINED, at: end.at, isDone: true }
  if (element?.type === TYPE.object) return { value: element, at: end.at, isDone: false }
  return { value: undefined, at: end.at, isDone: true }
}

function emit(ends: Trail[], keys: Keys) {
  if (ends.some((end) => end.value)) keys.isAllMissing = false
  const key = compoundKey(
    keys.prefix,
    ends.map((end, nth) => ({ value: end.value, descending: keys.spec[nth]?.descending ?? false })),
  )
  keys.found.set(key.toString('latin1'), key)
}

function cannotIndexParallel() {
  return new MongoRefusal(171, 'cannot index parallel arrays')
}
function cannotSortParallel() {
  return new MongoRefusal(2, 'cannot sort with keys that are parallel arrays')
}

const NO_PREFIX = Buffer.alloc(0)

/** What a document sorts by: of several keys, the one that comes first in the sort's own order. */
export function documentSortKey(document: Value, spec: KeySpec): Buffer {
  const { keys } = documentKeys(document, spec, NO_PREFIX, cannotSortParallel)
  return keys.reduce((first, key) => (key.compare(first) < 0 ? key : first))
}
