import { isIP } from 'node:net'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import proxyaddr from 'proxy-addr'
import { z } from 'zod'
import { type Limits, type RatesPatch, ratesPatchSchema } from '../../shared/protocol/index.ts'
import { readLimits } from './limit-bounds.ts'
import { type UnknownSetting, unknownSettings } from './unknown-settings.ts'

const flag = z.enum(['1', 'true', '0', 'false', '']).transform((text) => text === '1' || text === 'true')
const port = z.coerce.number('must be a whole number from 0 to 65535').int().min(0).max(65_535)

const TILDE = 'only your own home can be meant by ~, as in ~/.parley; write the whole path'

/** A setting that is written in JSON. */
const json = z.string().transform((text, context) => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    context.addIssue('is not JSON')
    return z.NEVER
  }
})

/** A number of proxies, or a list of their addresses. */
const proxies = z
  .string()
  .transform((text) => (/^\d{1,2}$/.test(text) ? Number(text) : text.split(',').map((one) => one.trim())))
  .refine(isProxyList, 'must be a number of proxies, or addresses and ranges such as 10.0.0.0/8, with commas between them')

/** Origins as browsers write them, for they are compared to the letter. */
const origins = z
  .string()
  .transform((text) => text.split(',').map((one) => one.trim()))
  .refine((all) => all.every(isOrigin), 'must be a list of origins such as https://a.example, with commas between them and no path')

/** Every setting: its schema, its default as a person reads it, and what it is for. The README's table is made from this. */
export const settings = {
  PARLEY_HOST: { schema: z.string().min(1).default('127.0.0.1'), shown: '127.0.0.1', about: 'Address to listen on' },
  PARLEY_PORT: { schema: port.default(6767), shown: '6767', about: 'Port to listen on; 0 takes a free one' },
  PARLEY_DATA_DIR: {
    schema: z.string().min(1).refine(isPlainPath, TILDE).transform(underHome).default(join(homedir(), '.parley')),
    shown: '~/.parley',
    about: 'Embedded database, operator token and secret',
  },
  PARLEY_PUBLIC_URL: {
    schema: z
      .url({ protocol: /^https?$/, error: 'must be an address like https://parley.example.com' })
      .refine(isSecure, 'must be https, for browsers keep the sign-in cookie only there (http is fine on 127.0.0.1 and localhost)')
      .optional(),
    shown: 'the address it listens on',
    about: 'Where browsers reach the hub; https, but for 127.0.0.1 and localhost',
  },
  PARLEY_OPERATOR_TOKEN: {
    schema: z.string().min(24, 'use at least 24 characters').optional(),
    shown: '`operator.token` in the data directory',
    about: "The operator's bearer token",
  },
  PARLEY_SECRET: {
    schema: z.string().min(32, 'use at least 32 characters').optional(),
    shown: '`secret` in the data directory',
    about: 'What keys and tokens are hashed and signed under; the same for all hubs of one database',
  },
  PARLEY_LOG_LEVEL: {
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
    shown: 'info',
    about: 'Least level of the JSON log on stdout',
  },
  PARLEY_LIMITS: {
    schema: json
      .transform((given, context) => {
        const read = readLimits(given)
        if ('limits' in read) return read.limits
        for (const fault of read.faults) context.addIssue(fault)
        return z.NEVER
      })
      .optional(),
    shown: 'those of docs/PROTOCOL.md',
    about: 'Other limits within the bounds that stand there, as JSON: `{"frames_per_s":200}`',
  },
  PARLEY_RATES: {
    schema: json.pipe(ratesPatchSchema).optional(),
    shown: 'those of the table above',
    about: 'Other rates for HTTP, as JSON: `{"read":{"q":600,"w":60}}` is 600 in 60 s',
  },
  PARLEY_CORS_ORIGINS: {
    schema: origins.optional(),
    shown: 'none',
    about: 'Whose pages may use the HTTP side with keys or tokens of their own: `https://a.example,https://b.example`',
  },
  PARLEY_TRUST_PROXY: {
    schema: proxies.optional(),
    shown: 'nobody',
    about: 'Whose `X-Forwarded-For` counts: how many proxies stand before the hub, or their addresses',
  },
  MONGODB_URI: {
    schema: z
      .string()
      .regex(/^mongodb(\+srv)?:\/\//, 'must begin with mongodb:// or mongodb+srv://')
      .optional(),
    shown: 'the embedded database',
    about: 'A MongoDB 6+ (or FerretDB 2 with DocumentDB)',
  },
  REDIS_URL: {
    schema: z
      .string()
      .regex(/^rediss?:\/\//, { error: 'must begin with redis:// or rediss://', abort: true })
      .refine(URL.canParse, 'must be an address like redis://host:6379')
      .optional(),
    shown: 'one node',
    about: 'A Redis 7 that joins several hubs on one database',
  },
  PARLEY_CONFORMANCE: {
    schema: flag.default(false),
    shown: 'off',
    about: 'Short heartbeats and echoes on `/` and `/custom`, for protocol test suites; never where people work',
  },
  DEV_MODE: { schema: flag.default(false), shown: 'off', about: 'Marks keys and answers as those of a development hub' },
} as const

export interface Config {
  host: string
  port: number
  data_dir: string
  public_url: string | undefined
  operator_token: string | undefined
  secret: string | undefined
  log_level: string
  mongodb_uri: string | undefined
  redis_url: string | undefined
  dev_mode: boolean
  conformance?: boolean
  /** Limits that differ from the defaults. */
  limits?: Partial<Limits>
  /** Rates of HTTP routes that differ from the defaults. */
  rates?: RatesPatch
  cors_origins?: string[] | undefined
  trust_proxy?: number | string[] | undefined
  /** Names that the environment has and the hub does not know. */
  unknown?: UnknownSetting[]
}

/** All faults of the settings at once, each with its name. */
export class ConfigError extends Error {
  readonly faults: string[]

  constructor(faults: string[]) {
    super(`The settings are not valid:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
    this.name = 'ConfigError'
    this.faults = faults
  }
}

/** Reads the environment once. Throws ConfigError that names every fault. An empty variable counts as one that is not set. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const schema = z.object(Object.fromEntries(Object.entries(settings).map(([name, { schema }]) => [name, schema])))
  const parsed = schema.safeParse(given)
  const faults = parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  // The cast holds: the object was made from the same table.
  const values = (parsed.data ?? {}) as { [N in keyof typeof settings]: z.infer<(typeof settings)[N]['schema']> }
  if (faults.length > 0) throw new ConfigError(faults)
  return Object.freeze({
    host: values.PARLEY_HOST,
    port: values.PARLEY_PORT,
    data_dir: resolve(values.PARLEY_DATA_DIR),
    public_url: values.PARLEY_PUBLIC_URL?.replace(/\/+$/, ''),
    operator_token: values.PARLEY_OPERATOR_TOKEN,
    secret: values.PARLEY_SECRET,
    log_level: values.PARLEY_LOG_LEVEL,
    mongodb_uri: values.MONGODB_URI,
    redis_url: values.REDIS_URL,
    dev_mode: values.DEV_MODE,
    limits: values.PARLEY_LIMITS ?? {},
    rates: values.PARLEY_RATES ?? {},
    cors_origins: values.PARLEY_CORS_ORIGINS,
    trust_proxy: values.PARLEY_TRUST_PROXY,
    conformance: values.PARLEY_CONFORMANCE,
    unknown: unknownSettings(env, Object.keys(settings)),
  })
}

/** A shell expands `~` only outside of quotes; what of it reaches us is meant the same. */
function underHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

function isPlainPath(path: string): boolean {
  return !/^~[^/]/.test(path)
}

function isSecure(url: string): boolean {
  if (!URL.canParse(url)) return true // told already
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || hostname === '127.0.0.1' || hostname === 'localhost' || hostname === '[::1]'
}

function isProxyList(given: number | string[]): boolean {
  if (typeof given === 'number') return true
  try {
    proxyaddr.compile(given)
    // The library takes a bare number for an address.
    return given.every((one) => /^[a-z]+$/.test(one) || isIP(one.replace(/\/\d+$/, '')) !== 0)
  } catch {
    return false // it says by throwing that one of them is no address
  }
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && !text.includes('*') && URL.canParse(text) && new URL(text).origin === text
}
