import { build, type InlineConfig } from 'vite'

// Builds what its argument says, and tells on one line what came of it. Whoever started it ends it then.
const built = await build(JSON.parse(process.argv[2] ?? '{}') as InlineConfig)
const chunks = (Array.isArray(built) ? built : [built])
  .flatMap((one) => ('output' in one ? one.output : []))
  .flatMap((output) => (output.type === 'chunk' ? [output] : []))
console.log(JSON.stringify({ modules: chunks.flatMap(({ moduleIds }) => moduleIds), code: chunks.map(({ code }) => code).join('') }))
