import { type Config, readConfig } from '../../../server/settings/config.ts'

export interface StartSettings extends Config {
  /** Where we reach the hub from this machine; with port 0 only the hub knows, once it listens. */
  url: string
}

const EVERY_ADDRESS = ['0.0.0.0', '::']

/** The hub's settings as the hub itself reads them, with every fault at once. */
export function startSettings(env: NodeJS.ProcessEnv): StartSettings {
  const config = readConfig(env)
  const host = EVERY_ADDRESS.includes(config.host) ? '127.0.0.1' : config.host
  return { ...config, url: `http://${host.includes(':') ? `[${host}]` : host}:${config.port}` }
}
