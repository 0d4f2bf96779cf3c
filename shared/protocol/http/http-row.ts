import type { z } from 'zod'
import type { ErrorCode } from '../errors.ts'

/** What is promised of a route: the reference (`/openapi.json`), the README and `shared/schema.json` are made of these rows. */
export interface HttpRow {
  /** Who may ask, in words. */
  who: string
  /** What comes of it, in words. */
  about: string
  query?: z.ZodType
  /** Strict: a name that is not known is refused, for whoever wrote it meant something by it. */
  body?: z.ZodObject<z.ZodRawShape, z.core.$strict>
  answer?: z.ZodType
  /** Of an answer that is not JSON. */
  media?: string
  /** Of an answer that is no refusal: 200, unless it says so. */
  status?: 201 | 202 | 204
  /** Its answer has a version: the `ETag`, and with it `If-None-Match` of a reader and `If-Match` of a writer. */
  versioned?: true
  /** It says at 503 what it says at 200: that it is not well is the answer. */
  tells_when_ill?: true
  /** The codes by which this route may refuse, beside those of every route that is reached and asked in this way. */
  refuses?: readonly ErrorCode[]
}
