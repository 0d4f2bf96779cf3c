import { StartRefusal } from '../core/start-refusal.ts'

// MongoDB's own codes: Unauthorized, AuthenticationFailed.
const NOT_LET_IN: unknown[] = [13, 18]

/** Why MONGODB_URI does not work, with the setting and the host in it, and never the user or the password. */
export function refusedUri(uri: string, cause: unknown): StartRefusal {
  const { name, message } = cause instanceof Error ? cause : { name: '', message: String(cause) }
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  const host = hostOf(uri)
  if (/Parse|InvalidArgument|APIError|URI/.test(name) || /[/@]/.test(credentialsOf(uri))) {
    const fix = 'Write mongodb://user:password@host:27017/parley, with percent codes (%40 for @) in user and password.'
    return new StartRefusal(`MONGODB_URI cannot be read: ${withoutUri(message, uri)}.`, fix, { cause })
  }
  if (NOT_LET_IN.includes(code) || /authenticat/i.test(message)) {
    const fix = 'Check the user, the password and authSource in MONGODB_URI.'
    return new StartRefusal(`MONGODB_URI: the database at ${host} does not let the hub in (${withoutUri(message, uri)}).`, fix, { cause })
  }
  return new StartRefusal(
    `MONGODB_URI: no database answers at ${host} (${withoutUri(message, uri)}).`,
    'Start it, or correct the address in MONGODB_URI; without MONGODB_URI the hub brings a database of its own.',
    { cause },
  )
}

const addressOf = (uri: string): string => uri.replace(/^[^:]*:\/\//, '').replace(/\?.*$/s, '')

/** What stands before the last @, so that a password with any sign in it counts as one. */
const credentialsOf = (uri: string): string => addressOf(uri).slice(0, Math.max(addressOf(uri).lastIndexOf('@'), 0))

const hostOf = (uri: string): string => addressOf(uri).replace(/^.*@/s, '').replace(/\/.*$/s, '')

/** The driver quotes what it was given, whole or in parts. */
function withoutUri(message: string, uri: string): string {
  const credentials = credentialsOf(uri)
  const secrets = [uri, credentials, ...credentials.split(/[:@/]/)].filter((part) => part.length > 2)
  return secrets.reduce((text, secret) => text.replaceAll(secret, '…'), message).replace(/\.$/, '')
}
