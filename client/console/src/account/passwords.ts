import { PASSWORD_MIN_CHARS, PASSWORD_MOST_BYTES, passwordBytes } from '../../../../shared/protocol/http/password-bounds.ts'
import type { RefusedError } from '../../../sdk/index.ts'
import { toRefused } from '../api.ts'
import { fixText } from '../fix-text.ts'

/** What is wrong with a new password, before the hub is asked; undefined when nothing is. */
export function passwordFault(password: string): string | undefined {
  if (password.length < PASSWORD_MIN_CHARS) return `Use at least ${PASSWORD_MIN_CHARS} characters.`
  if (passwordBytes(password) > PASSWORD_MOST_BYTES) return 'It is too long: use fewer characters.'
  return undefined
}

/** A refusal as a sentence for the person at the form. `denied`: what UNAUTHENTICATED means there. */
export function sayRefusal(thrown: unknown, denied: string): string {
  const error = toRefused(thrown)
  if (error.code === 'UNAUTHENTICATED') return denied
  if (error.code === 'RATE_LIMITED') return `Too many attempts from here. Try again ${waitOf(error)}.`
  return `${error.title}. ${fixText(error)}`
}

function waitOf({ facts }: RefusedError): string {
  const minutes = Math.ceil(Number(facts['retry_after_ms'] ?? 0) / 60_000)
  return minutes <= 1 ? 'in a minute' : `in ${minutes} minutes`
}
