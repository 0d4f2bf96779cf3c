import { createRequire } from 'node:module'
import type { RE2JS as Re2 } from 're2js'
import { MongoRefusal } from '../errors.ts'
import { stringOf, TYPE, type Value } from '../values/value.ts'

type Engine = { RE2JS: typeof Re2 }
let engine: Engine | undefined

// Loaded at the first pattern only: most filters have none, and a start must be quick.
function loadEngine(): Engine {
  engine ??= createRequire(import.meta.url)('re2js') as Engine
  return engine
}

/**
 * A pattern as a test. RE2 and not JavaScript's engine: it is close to MongoDB's PCRE, linear in time, and refuses what it does not
 * know (look-around, back-references) instead of reading it differently.
 */
export function compileRegex(pattern: Value, options: Value | undefined): (value: Value | undefined) => boolean {
  const { source, flags } = partsOf(pattern, options)
  const compiled = compilePattern(source, flags)
  return (value) => {
    if (!value || (value.type !== TYPE.string && value.type !== TYPE.symbol)) return false
    return compiled.matcher(stringOf(value)).find()
  }
}

function partsOf(pattern: Value, options: Value | undefined): { source: string; flags: string } {
  const given = options ? readString(options, '$options') : undefined
  if (pattern.type === TYPE.string) return { source: stringOf(pattern), flags: given ?? '' }
  if (pattern.type !== TYPE.regex) throw new MongoRefusal(2, '$regex has to be a string')
  const { buffer, start, end } = pattern
  const sourceEnd = buffer.indexOf(0, start)
  return { source: buffer.toString('utf8', start, sourceEnd), flags: given ?? buffer.toString('utf8', sourceEnd + 1, end - 1) }
}

function readString(value: Value, name: string): string {
  if (value.type !== TYPE.string) throw new MongoRefusal(2, `${name} has to be a string`)
  return stringOf(value)
}

function compilePattern(source: string, flags: string): Re2 {
  const { RE2JS } = loadEngine()
  let bits = 0
  for (const flag of flags) {
    if (flag === 'i') bits |= RE2JS.CASE_INSENSITIVE
    else if (flag === 'm') bits |= RE2JS.MULTILINE
    else if (flag === 's') bits |= RE2JS.DOTALL
    else if (flag !== 'u') throw new MongoRefusal(51091, `the embedded database does not offer the regex flag '${flag}'`)
  }
  try {
    return RE2JS.compile(source, bits)
  } catch (cause) {
    throw new MongoRefusal(51091, `Regular expression is invalid or beyond RE2: ${String((cause as Error).message)}`)
  }
}
