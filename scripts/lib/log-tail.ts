import { readFileSync } from 'node:fs'

const LINES = 12
const ERRORS: unknown[] = ['error', 'fatal']
// Where in the code it happened is for the whole log; what happened is for the person.
const STACK_LINE = /^\s+at /

/** The end of a program's log as a person reads it: the errors among its JSON lines, and all others as they are. */
export function logTail(file: string): string[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !STACK_LINE.test(line))
    .map(readable)
    .filter((line) => line.isError)
  return [...new Set(lines.map((line) => line.text))].slice(-LINES)
}

function readable(line: string): { text: string; isError: boolean } {
  const entry = parsed(line)
  // The hub says the reason of its end twice: in its log, and for the person who typed the command.
  if (entry === null) return { text: line.replace(/^parley: /, ''), isError: true }
  const parts = [entry['message'] ?? entry['event'], field(entry['details'], 'detail'), field(entry['details'], 'fix')]
  return {
    text: parts.filter((part) => typeof part === 'string' && part !== '').join(' · ') || line,
    isError: ERRORS.includes(entry['level']),
  }
}

function parsed(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null
  try {
    return JSON.parse(line)
  } catch {
    return null // a line that only looks like JSON is shown as it is
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
