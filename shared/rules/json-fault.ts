import type { FieldError } from '../protocol/errors.ts'
import { jsonPointer } from '../protocol/json-pointer.ts'
import { isPlainObject } from './is-plain-object.ts'

/** A name may be as long as the whole value, and who reads of the fault knows what was sent. */
const POINTER_MAX = 300

/**
 * Why a value from outside is no JSON that can be kept, or undefined when it is: nested deeper than `maxDepth` (a bare value has
 * depth 0), half a surrogate pair, binary data, a number without end. What passes here, canonicalJson takes.
 */
export function jsonFault(value: unknown, maxDepth: number): FieldError | undefined {
  return faultAt(value, [], maxDepth)
}

function faultAt(value: unknown, path: string[], maxDepth: number): FieldError | undefined {
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

function faultInside(value: object, path: string[], maxDepth: number): FieldError | undefined {
  if (path.length >= maxDepth) return fault(path, `nested deeper than ${maxDepth}`)
  if (!Array.isArray(value) && !isPlainObject(value)) return fault(path, 'binary data or another object that JSON does not have')
  // By place, for a list may have holes.
  if (Array.isArray(value)) {
    for (let place = 0; place < value.length; place++) {
      const found = faultBelow(String(place), value[place], path, maxDepth)
      if (found) return found
    }
    return undefined
  }
  for (const name of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[name]
    if (member === undefined) continue
    const found = name.isWellFormed() ? faultBelow(name, member, path, maxDepth) : fault(path, 'half of a surrogate pair in a name')
    if (found) return found
  }
  return undefined
}

/** One path for the whole walk: it is read where a fault is found, and there the walk ends. */
function faultBelow(name: string, member: unknown, path: string[], maxDepth: number): FieldError | undefined {
  path.push(name)
  const found = faultAt(member, path, maxDepth)
  path.pop()
  return found
}

function fault(path: readonly string[], detail: string): FieldError {
  return { pointer: jsonPointer(path).slice(0, POINTER_MAX).toWellFormed(), detail }
}
