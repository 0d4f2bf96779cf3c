/**
 * Whether an object is what JSON.parse makes, in this realm or another. A Date, a Map or a Buffer is not: JSON cannot hold it, and
 * its members are not its value.
 */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
