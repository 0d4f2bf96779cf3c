const CUT = '[redacted]'

/**
 * What a secret looks like, here and at the well-known services, with what takes its place. Texts of strangers are held against them, so
 * each must take time in step with the text: what may not match after all begins where a word does, or has a bound.
 */
const shapes: readonly [RegExp, string][] = [
  // Not past a quote: the text may be JSON.
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^"]*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?=")|$)/g, CUT],
  [/\bpk_agent_(?:live|dev)_[0-9A-Za-z]+/g, CUT],
  [/\bop_[\w-]{20,}/g, CUT],
  [/(?<![\w-])eyJ[\w-]{8,}(?:\.[\w-]+){1,4}/g, CUT],
  [/\b(bearer|basic)(\s+|%20|\+)[\w.~+/=-]{8,}/gi, `$1$2${CUT}`],
  [/(?<![\w-])(__Host-[\w-]+(?:=|%3D))[^;\s"']+/g, `$1${CUT}`],
  // Credentials in an address, as it is, in a path, or in a JSON Pointer: `postgres://me:secret@host`.
  [/(:~1~1)[^\s"~]+?@/g, `$1${CUT}@`],
  [/(%3A%2F%2F)[^\s"&/]{1,300}?(%40)/gi, `$1${CUT}$2`],
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/?#@"']+@/gi, `$1${CUT}@`],
  [/([?&#;](?:[\w-]*(?:token|secret|password|passwd|signature)|api[_-]?key|key|sig|auth|code)(?:=|%3D))[^\s&#;"']+/gi, `$1${CUT}`],
  [/\b(?:whsec_|sk-|[rs]k_(?:live|test)_|gh[opsur]_|github_pat_|glpat-|xox[abeprs]-|AKIA|AIza|npm_)[\w-]{12,}/g, CUT],
  [/\$2[aby]\$\d\d\$[./0-9A-Za-z]{53}/g, CUT],
  // The hub's own random texts (links, cookies, the secret's file: 32 bytes; refresh tokens: 57), in base64url. A hash in hex is longer.
  [/(?<![\w-])(?:[\w-]{43}|[\w-]{76})(?![\w-])/g, CUT],
]

/** The text with whatever looks like a secret taken out. A second wall: no code puts one there on purpose. */
export function redactText(text: string): string {
  let safe = text
  for (const [shape, instead] of shapes) safe = safe.replace(shape, instead)
  return safe
}

/** `key` alone is what makes a frame idempotent, and no secret; `key_id` names one. */
const SECRET_NAME =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|auth|credentials?|bearer|pepper|private_?key|(?:[\w-]*[_-])?(?:password|passwd|passphrase|secret|token|api_?key))$/i

export interface Bounds {
  characters: number
  members: number
  depth: number
}

/** A copy that is JSON, free of what looks like a secret by its name or shape, and no larger than the bounds say. */
export function redactValue(value: unknown, bounds: Bounds): unknown {
  if (typeof value === 'string') return safeText(value, bounds.characters)
  if (typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'no date' : value.toISOString()
  if (typeof value !== 'object') return undefined
  if (bounds.depth <= 0) return '…'
  const inside = { ...bounds, depth: bounds.depth - 1 }
  if (Array.isArray(value)) return value.slice(0, bounds.members).map((one) => redactValue(one, inside) ?? null)
  const members = Object.entries(value).slice(0, bounds.members)
  return Object.fromEntries(
    members.flatMap(([name, member]) => {
      const safe = SECRET_NAME.test(name) ? CUT : redactValue(member, inside)
      return safe === undefined ? [] : [[safeText(name, 100), safe]]
    }),
  )
}

/** So much behind the bound is read too, for a secret that the bound cuts through must be seen as one. */
const BEHIND = 1_000

function safeText(whole: string, characters: number): string {
  const text = redactText(whole.slice(0, characters + BEHIND))
  const cut = text.length > characters ? `${text.slice(0, characters)}…` : text
  return cut.toWellFormed()
}
