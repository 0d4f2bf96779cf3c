import pino, { type DestinationStream, type Logger } from 'pino'
import { redactText } from '../core/secrets/redact-secrets.ts'

export type Level = 'debug' | 'info' | 'warn' | 'error'

/** One line of the log. `details` may hold an `error`: its message, stack and cause are kept here, and never leave the hub. */
export type LogEvent = (level: Level, event: string, details?: Record<string, unknown>) => void

/** Credentials that might stand in a logged object: a second wall, for no code logs them on purpose. */
const SECRET_FIELDS = ['authorization', 'cookie', 'password', 'token', 'key', 'api_key', 'access_token', 'refresh_token', 'secret']

export function createLogger({ level, destination }: { level: string; destination?: DestinationStream }): LogEvent {
  const options = {
    level,
    base: null,
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    // Of the whole line, wherever in it a text holds one: a path, a driver's message.
    hooks: { streamWrite: redactText },
    redact: { paths: SECRET_FIELDS.flatMap((name) => [`details.${name}`, `details.*.${name}`]), censor: '[redacted]' },
  }
  const logger: Logger = destination === undefined ? pino(options) : pino(options, destination)
  return (at, event, { error, correlation_id, agent_id, ...details } = {}) => {
    const ids = { ...(correlation_id === undefined ? {} : { correlation_id }), ...(agent_id === undefined ? {} : { agent_id }) }
    logger[at]({
      event,
      ...ids,
      ...(Object.keys(details).length === 0 ? {} : { details }),
      ...(error === undefined ? {} : { error: describe(error) }),
    })
  }
}

function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error === 'object' && error !== null ? error : String(error)
  const { name, message, stack, cause } = error
  return { name, message, stack, ...(cause === undefined ? {} : { cause: describe(cause) }) }
}
