// Loaded into a hub process by NODE_OPTIONS (see soak.ts): SIGUSR2 collects its garbage, so that what is measured then is what it keeps.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
process.on('SIGUSR2', () => collect())
