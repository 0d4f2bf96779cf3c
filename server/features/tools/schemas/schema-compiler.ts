import { Ajv2020, type ErrorObject, type FuncKeywordDefinition, type ValidateFunction } from 'ajv/dist/2020.js'
import { LRUCache } from 'lru-cache'
import { RE2JS } from 're2js'
import type { FieldError } from '../../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../../shared/rules/canonical-json.ts'

const MOST_FIELD_ERRORS = 20
/** References that ask for each other can take longer than the world will last. An honest input is checked in a few milliseconds. */
const LONGEST_CHECK_MS = 250
const LONGEST_COMPILATION_MS = 2_000
/** States of a pattern × characters of a text: a quarter of a second. */
const MOST_PATTERN_STEPS = 20_000_000

/** Why a schema is refused. */
export class SchemaFault extends Error {}

/**
 * Compiles tools' input schemas (JSON Schema 2020-12), each once. Patterns run in linear time (RE2), items are told apart by their
 * canonical text, and every step into a reference or an item looks at the time. What is slow all the same is ended from outside.
 */
export function createSchemaCompiler() {
  const compiled = new LRUCache<string, ValidateFunction>({ max: 1_000 })
  const metaschema = newAjv()
  let until_ms = 0

  function step(): void {
    if (performance.now() > until_ms) throw new TooSlow()
  }

  /** Throws SchemaFault when it does not compile. `name` stands for the schema's text. */
  function compile(name: string, input_schema: unknown): ValidateFunction {
    const known = compiled.get(name)
    if (known !== undefined) return known
    until_ms = performance.now() + LONGEST_COMPILATION_MS
    try {
      if (!metaschema.validateSchema(input_schema as object)) throw new Error(metaschema.errorsText())
      // An instance each, so that one agent's `$id` cannot be another's.
      const ajv = newAjv()
      const validate = ajv.compile(input_schema as object)
      if ('$async' in validate) throw new Error('asynchronous schemas are not read')
      compiled.set(name, validate)
      return validate
    } catch (cause) {
      throw new SchemaFault(cause instanceof Error ? cause.message : String(cause))
    }
  }

  function newAjv(): Ajv2020 {
    const ajv = new Ajv2020({
      ...{ allErrors: false, strict: false, validateSchema: false, validateFormats: false, logger: false, unicodeRegExp: false },
      // A function for each reference, so that each has its step.
      inlineRefs: false,
      code: { regExp: linearRegExp, process: withStep },
    })
    Object.assign(ajv, { step })
    return ajv.removeKeyword('uniqueItems').addKeyword(uniqueItems)
  }

  function faults(name: string, input_schema: unknown, input: unknown): FieldError[] {
    const validate = compile(name, input_schema)
    until_ms = performance.now() + LONGEST_CHECK_MS
    try {
      return validate(input) ? [] : (validate.errors ?? []).slice(0, MOST_FIELD_ERRORS).map(toFieldError)
    } catch (cause) {
      if (cause instanceof TooSlow || cause instanceof RangeError)
        return [{ pointer: '', detail: "is too much work for the tool's schema" }]
      throw cause
    }
  }

  return { compile, faults }
}

function toFieldError({ instancePath, message, params }: ErrorObject): FieldError {
  const missing = 'missingProperty' in params ? `/${String(params['missingProperty'])}` : ''
  return { pointer: `${instancePath}${missing}`, detail: message ?? 'is not valid' }
}

const linearRegExp = Object.assign(
  (pattern: string, _flags: string) => {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern))
    const test = (text: string) => {
      if (compiled.programSize() * text.length > MOST_PATTERN_STEPS) throw new TooSlow()
      return compiled.matcher(text).find()
    }
    // By this text ajv tells patterns apart: without it the first one of a schema would stand for all.
    return { test, toString: () => pattern }
  },
  { code: 'linearRegExp' },
)

class TooSlow extends Error {}

/** The function that ajv wrote, with a step at its start and in each round of its loops. Fails rather than lets one pass without it. */
function withStep(code: string): string {
  const stepped = code
    .replace(/"(?:[^"\\]|\\.)*"|\bfor\((?:let|const) [^{}]*?\)\{/g, (text) => (text.startsWith('"') ? text : `${text}self.step();`))
    .replace(/return (?:async )?function validate\d+\(data, \{.*?\}=\{\}\)\{/, '$&self.step();')
  if (!stepped.includes('={}){self.step();')) throw new Error('the schema was compiled to what this hub does not know')
  return stepped
}

const uniqueItems: FuncKeywordDefinition = {
  keyword: 'uniqueItems',
  type: 'array',
  schemaType: 'boolean',
  error: { message: 'must NOT have duplicate items' },
  validate: (isAsked: boolean, items: unknown[]) => !isAsked || new Set(items.map(canonicalJson)).size === items.length,
}
