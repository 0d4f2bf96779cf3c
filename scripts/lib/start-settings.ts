import { type Config, readConfig } from '../../server/config.ts'

export interface StartSettings extends Config {
  /** Where we reach the hub from this machine. */
  url: string
}

const EVERY_ADDRESS = ['0.0.0.0', '::']
// Not the hub's own rule: with 0 it takes a free port, and nobody but its log would know which.
const PORT_FAULT = 'PARLEY_PORT is 0. Say which port to listen on: PARLEY_PORT=6767 scripts/start'

/** The hub's settings as the hub itself reads them, with every fault at once. */
export function startSettings(env: NodeJS.ProcessEnv): StartSettings {
  const config = readConfig(env)
  if (config.port === 0) throw new Error(PORT_FAULT)
  const host = EVERY_ADDRESS.includes(config.host) ? '127.0.0.1' : config.host
  return { ...config, url: `http://${host.includes(':') ? `[${host}]` : host}:${config.port}` }
}
