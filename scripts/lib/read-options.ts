import { type ParseArgsConfig, parseArgs } from 'node:util'

type Options = NonNullable<ParseArgsConfig['options']>

/** The arguments of a script. `--help` prints how to call it and ends; an option that is not known throws with the same line. */
export function readOptions<const O extends Options>(options: O, usage: string) {
  const args = process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) {
    console.log(usage)
    process.exit(0)
  }
  try {
    return parseArgs({ args, allowPositionals: true, options })
  } catch (error) {
    throw new Error(`${String(error instanceof Error ? error.message : error).split('. ', 1)[0]}. ${usage}`)
  }
}
