import { toRefused } from './api.ts'
import { fixText } from './fix-text.ts'

/** A refusal as sentences: what is wrong, in which field, and what to do. */
export function faultText(thrown: unknown): string {
  const error = toRefused(thrown)
  const { title, detail, errors } = error
  const fields = errors.map(({ pointer, detail: what }) => `${nameOf(pointer)}: ${what}`)
  // What is wrong in a field says by itself what to change.
  return (fields.length > 0 ? [detail ?? title, ...fields] : [detail ?? title, fixText(error)]).map(sentence).join(' ')
}

/** `/scopes/0` is about the scopes. */
function nameOf(pointer: string): string {
  return pointer.split('/')[1]?.replaceAll('_', ' ') ?? 'The request'
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}
