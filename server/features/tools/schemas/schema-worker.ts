import { parentPort } from 'node:worker_threads'
import type { FieldError } from '../../../../shared/protocol/index.ts'
import { createSchemaCompiler, SchemaFault } from './schema-compiler.ts'

/** `name` stands for the schema's text. Without an input it is compiled only. */
export interface SchemaQuestion {
  name: string
  input_schema: unknown
  check?: { input: unknown }
}

export type SchemaAnswer = { took_ms: number } & ({ faults: FieldError[] } | { refused: string } | { broken: string })

/** The thread that strangers' schemas run in: it may be slow, and be ended at any moment. Says `ready`, then answers one by one. */
const compiler = createSchemaCompiler()
compiler.faults('warm', { type: 'object', properties: { text: { type: 'string', pattern: 'x' } } }, {})

parentPort?.on('message', (question: SchemaQuestion) => {
  const began = performance.now()
  const said = answer(question)
  parentPort?.postMessage({ ...said, took_ms: performance.now() - began } satisfies SchemaAnswer)
})
parentPort?.postMessage('ready')

function answer({ name, input_schema, check }: SchemaQuestion) {
  try {
    if (check !== undefined) return { faults: compiler.faults(name, input_schema, check.input) }
    compiler.compile(name, input_schema)
    return { faults: [] }
  } catch (cause) {
    return cause instanceof SchemaFault ? { refused: cause.message } : { broken: String(cause) }
  }
}
