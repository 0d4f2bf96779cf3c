import { isPlainObject } from './is-plain-object.ts'

/**
 * The one text of a JSON value (RFC 8785): keys in order of their UTF-16 units, no white space, numbers as ECMAScript prints
 * them. Takes what JSON.parse gives; a member that is undefined counts as absent. Throws TypeError on all else that JSON cannot
 * hold, half a surrogate pair among it, for then two readers could compute two digests of one value.
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return canonicalString(value)
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`JSON has no ${value}`)
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      // Array.from, for it visits the holes that `map` would pass over.
      if (Array.isArray(value)) return `[${Array.from(value, canonicalJson).join(',')}]`
      return canonicalObject(value)
    default:
      throw new TypeError(`JSON has no ${typeof value}`)
  }
}

function canonicalString(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('JSON has no half of a surrogate pair')
  return JSON.stringify(text)
}

function canonicalObject(value: object): string {
  if (!isPlainObject(value)) throw new TypeError(`JSON has no ${value.constructor?.name ?? 'such object'}`)
  const names = Object.keys(value)
  // Most objects come from someone who wrote them in one order: then there is nothing to sort.
  if (!names.every((name, at) => at === 0 || name > (names[at - 1] ?? ''))) names.sort()
  let text = '{'
  for (const name of names) {
    const member = (value as Record<string, unknown>)[name]
    if (member === undefined) continue
    text += `${text === '{' ? '' : ','}${canonicalString(name)}:${canonicalJson(member)}`
  }
  return `${text}}`
}
