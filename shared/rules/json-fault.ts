import type { FieldError } from '../protocol/errors.ts'
import { jsonPointer } from '../protocol/json-pointer.ts'
import { isPlainObject } from './is-plain-object.ts'

/**
 * Why a value from outside is no JSON that can be kept, or undefined when it is: nested deeper than `maxDepth` (a bare value has
 * depth 0), half a surrogate pair, binary data, a number without end. What passes here, canonicalJson takes.
 */
export function jsonFault(value: unknown, maxDepth: number): FieldError | undefined {
  return faultAt(value, [], maxDepth)
}

function faultAt(value: unknown, path: readonly string[], maxDepth: number): FieldError | undefined {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? undefined : fault(path, 'half of a surrogate pair')
    case 'number':
      return Number.isFinite(value) ? undefined : fault(path, 'not a finite number')
    case 'boolean':
      return undefined
    case 'object':
      return value === null ? undefined : faultInside(value, path, maxDepth)
    default:
      return fault(path, `JSON has no ${typeof value}`)
  }
}

function faultInside(value: object, path: readonly string[], maxDepth: number): FieldError | undefined {
  if (path.length >= maxDepth) return fault(path, `nested deeper than ${maxDepth}`)
  const isList = Array.isArray(value)
  if (!isList && !isPlainObject(value)) return fault(path, 'binary data or another object that JSON does not have')
  // Array.from, for it visits the holes that Object.entries would pass over.
  for (const [name, member] of isList ? Array.from(value, (item, place) => [String(place), item] as const) : Object.entries(value)) {
    if (member === undefined && !isList) continue
    const found = name.isWellFormed() ? faultAt(member, [...path, name], maxDepth) : fault(path, 'half of a surrogate pair in a name')
    if (found) return found
  }
  return undefined
}

function fault(path: readonly string[], detail: string): FieldError {
  return { pointer: jsonPointer(path), detail }
}
