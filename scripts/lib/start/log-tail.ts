import { readFileSync } from 'node:fs'

const LINES = 12
const ERRORS = ['error', 'fatal']
// Where in the code it happened is for the whole log; what happened is for the person.
const STACK_LINE = /^\s+at /

/** The end of a program's log as a person reads it: the errors among its JSON lines, and all others as they are. */
export const logTail = (file: string): string[] => linesOf(file, ({ level }) => level === null || ERRORS.includes(level))

/** What a program that runs has warned of. */
export const logWarnings = (file: string): string[] => linesOf(file, ({ level }) => level === 'warn')

interface Line {
  text: string
  /** Null for a line that is no JSON. */
  level: string | null
}

function linesOf(file: string, isMeant: (line: Line) => boolean): string[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !STACK_LINE.test(line))
    .flatMap(readable)
    .filter(isMeant)
  return [...new Set(lines.map((line) => line.text))].slice(-LINES)
}

function readable(line: string): Line[] {
  const entry = parsed(line)
  // The hub says the reason of its end twice: in its log, and for the person who typed the command.
  if (entry === null) return [{ text: line.replace(/^parley: /, ''), level: null }]
  const { message, event, details, level, error } = entry
  const detail = field(details, 'detail')
  const what = field(details, 'what') ?? message ?? (detail === undefined ? event : '')
  const parts = [what, requestOf(details), detail, field(error, 'message') ?? error, field(details, 'fix')]
  const text = parts.filter((part) => typeof part === 'string' && part !== '').join(' · ') || line
  // A reason of several lines reads the same as where it was said for a person.
  return text.split('\n').map((one) => ({ text: one, level: String(level) }))
}

function parsed(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null
  try {
    return JSON.parse(line)
  } catch {
    return null // a line that only looks like JSON is shown as it is
  }
}

/** Which request it was, of a line that is about one. */
function requestOf(details: unknown): string {
  const [method, path] = [field(details, 'method'), field(details, 'path')]
  return typeof method === 'string' && typeof path === 'string' ? `${method} ${path}` : ''
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
