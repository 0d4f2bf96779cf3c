/**
 * A JSON Merge Patch (RFC 7396) on a target: members of the patch replace, null removes, objects merge, all else replaces whole.
 * Which members a client may name is the schema's to say: parse the patch by a strict object of optional fields first.
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const merged = new Map(Object.entries(isObject(target) ? target : {}))
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name)
    else merged.set(name, mergePatch(merged.get(name), value))
  }
  // Not by assignment: `__proto__` is a name like any other.
  return Object.fromEntries(merged)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
