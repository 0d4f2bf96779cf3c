import { hash } from 'node:crypto'
import { ParleyError } from '../../../shared/protocol/index.ts'
import { canonicalJson } from '../../../shared/rules/canonical-json.ts'

/** What a request says of the version that it is about. */
export type Conditions = { [Name in 'if-match' | 'if-none-match']?: string | undefined }

/** The strong validator of a representation (RFC 9110, 8.8): the same for the same content, on every node. */
export function etagOf(representation: unknown): string {
  return `"${hash('sha256', canonicalJson(representation), 'base64url').slice(0, 22)}"`
}

/**
 * The validator of what is shown beside what can be changed: it is another when anything of the whole is, so that nobody is told 304 of
 * what has changed, and its first part is that of what a change must have seen (`requireSeen`).
 */
export function etagOfParts({ seen, whole }: { seen: unknown; whole: unknown }): string {
  return `${etagOf(seen).slice(0, -1)}.${etagOf(whole).slice(1)}`
}

/** `If-Match` by the first part of an `etagOfParts`: what else is shown is no reason to refuse a change. */
export function requireSeen(headers: Conditions, seen: unknown): void {
  const first = (given: string | undefined) => given?.replaceAll(/\.[\w-]+"/g, '"')
  requireMatch({ 'if-match': first(headers['if-match']), 'if-none-match': first(headers['if-none-match']) }, etagOf(seen))
}

/**
 * `If-Match` before a change: PRECONDITION_FAILED when what the caller has seen is no longer there, PRECONDITION_REQUIRED when the
 * header is required and missing. `If-None-Match` refuses a change of what is there, or there in that version (RFC 9110, 13.1.2). The change itself must still be one conditional update, for another may come in between.
 */
export function requireMatch(headers: Conditions, etag: string, { required = false } = {}): void {
  if (isFresh(headers, etag)) throw new ParleyError('PRECONDITION_FAILED', { etag })
  if (required && headers['if-match'] === undefined) throw new ParleyError('PRECONDITION_REQUIRED')
  requireSame(headers, etag)
}

/** `If-Match` by itself: a reader too is told PRECONDITION_FAILED when what he means is not what is there (RFC 9110, 13.1.1). */
export function requireSame({ 'if-match': given }: Conditions, etag: string): void {
  if (given === undefined) return
  const tags = tagsOf(given, 'If-Match')
  // Weak tags never match here (RFC 9110, 13.1.1): they do not promise that it is the same to the byte.
  if (tags !== '*' && !tags.includes(etag)) throw new ParleyError('PRECONDITION_FAILED', { etag })
}

/** Whether the reader's copy is fresh (`If-None-Match`, by weak comparison). A header that is none is passed over: the answer is only longer. */
export function isFresh({ 'if-none-match': given }: Conditions, etag: string): boolean {
  if (given === undefined) return false
  return given.trim() === '*' || [...given.matchAll(TAG)].some(([tag]) => tag.replace(/^W\//, '') === etag)
}

const TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g
const TAGS = /^\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")*\s*$/

function tagsOf(given: string, header: string): string[] | '*' {
  if (given.trim() === '*') return '*'
  if (!TAGS.test(given)) {
    throw new ParleyError('REQUEST_INVALID', {
      errors: [{ pointer: '', detail: `${header} takes the ETag of an answer, in its quotes, or *` }],
    })
  }
  return [...given.matchAll(TAG)].map(([tag]) => tag)
}
