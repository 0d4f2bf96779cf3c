import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'

export const schemaDocument = JSON.parse(readFileSync(new URL('../../shared/schema.json', import.meta.url), 'utf8')) as {
  $id: string
  'x-parley': Record<string, unknown>
  $defs: Record<string, object>
}

// Patterns say what the formats would; a `minimum` beside a `$ref` is legal and wanted.
const ajv = new Ajv2020({ strict: true, strictTypes: false, validateFormats: false, keywords: ['x-parley'] }).addSchema(schemaDocument)

/** The compiled definition of that name in shared/schema.json. Throws when there is none or it does not compile. */
export function schemaValidator(name: string): ValidateFunction {
  const uri = `${schemaDocument.$id}#/$defs/${name}`
  const validate = ajv.getSchema(uri)
  if (validate === undefined) throw new Error(`no definition ${uri}`)
  return validate
}
