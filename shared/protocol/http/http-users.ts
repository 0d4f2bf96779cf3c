import { z } from 'zod'
import { idSchema, timeSchema } from '../primitives.ts'
import { userRoles, userStatuses } from '../states.ts'
import { pageOf, pageQuery } from './lists.ts'
import { PASSWORD_MIN_CHARS, PASSWORD_MOST_BYTES, passwordBytes } from './password-bounds.ts'

const emailSchema = z.email().max(254)

const passwordSchema = z
  .string()
  .min(PASSWORD_MIN_CHARS)
  .refine((text) => passwordBytes(text) <= PASSWORD_MOST_BYTES, `use at most ${PASSWORD_MOST_BYTES} bytes of UTF-8`)

const nameSchema = z.string().trim().min(1).max(200)
const rolesSchema = z.array(z.enum(userRoles)).min(1)
/** A password as it is typed: any that could be one. */
const typedPassword = z.string().max(1_000)
const tokenBody = z.object({ token: z.string().max(200) })
const passwordByToken = z.object({ token: z.string().max(200), password: passwordSchema })
const credentials = z.object({ email: z.string().max(254), password: typedPassword })

const tokens = z.object({ access_token: z.string(), refresh_token: z.string(), expires_in: z.int() })
/** The session itself is in the cookie. */
const signedIn = z.object({ user_id: idSchema, name: z.string() })
const link = z.object({ url: z.string(), expires_at: timeSchema })
const whose = z.object({ email: z.string(), name: z.string() })

const user = z.object({
  user_id: idSchema,
  email: z.string(),
  name: z.string(),
  roles: z.array(z.enum(userRoles)),
  status: z.enum(userStatuses),
  created_at: timeSchema,
  /** Somebody asked for a new password in this user's name. */
  reset_asked_at: timeSchema.exactOptional(),
  built_in: z.literal('operator').exactOptional(),
})

const session = z.object({
  session_id: idSchema,
  kind: z.enum(['browser', 'token']),
  device: z.string(),
  created_at: timeSchema,
  last_used_at: timeSchema,
  expires_at: timeSchema,
  current: z.boolean(),
})

/** The routes of humans: who they are and how they sign in. */
export const userHttp = {
  'POST /users': {
    body: z.object({ email: emailSchema, name: nameSchema, password: passwordSchema, roles: rolesSchema }),
    answer: z.object({ user_id: idSchema }),
  },
  'GET /users': {
    query: z.strictObject({ ...pageQuery(['created_at']), status: z.enum(userStatuses).exactOptional() }),
    answer: pageOf(user),
  },
  'GET /users/:id': { answer: user },
  'PATCH /users/:id': {
    body: z.strictObject({
      name: nameSchema.exactOptional(),
      roles: rolesSchema.exactOptional(),
      status: z.enum(['active', 'disabled']).exactOptional(),
    }),
    answer: user,
  },
  'PUT /users/me/password': {
    body: z.object({ current_password: typedPassword, new_password: passwordSchema }),
    answer: z.union([tokens, signedIn]),
  },
  'POST /users/:id/password-reset-links': { answer: link },
  'POST /sessions': { body: credentials, answer: tokens },
  'POST /sessions/browser': { body: credentials, answer: signedIn },
  'POST /sessions/refresh': { body: z.object({ refresh_token: z.string().max(200) }), answer: tokens },
  'GET /sessions': { query: z.strictObject(pageQuery(['created_at'])), answer: pageOf(session) },
  'DELETE /sessions': { query: z.strictObject({ keep: z.enum(['current']).exactOptional() }) },
  'POST /sign-in-links': { body: z.object({ user_id: idSchema.exactOptional() }), answer: link },
  'POST /sign-in-links/redeem': { body: tokenBody, answer: signedIn },
  'POST /invitations': {
    body: z.object({ email: emailSchema, name: nameSchema, roles: rolesSchema }),
    answer: link.extend({ user_id: idSchema }),
  },
  'POST /invitations/look': { body: tokenBody, answer: whose },
  'POST /invitations/redeem': { body: passwordByToken, answer: signedIn },
  'POST /password-resets': { body: z.object({ email: z.string().max(254) }), answer: z.object({}) },
  'POST /password-resets/look': { body: tokenBody, answer: whose },
  'POST /password-resets/redeem': { body: passwordByToken, answer: signedIn },
  'GET /me': {
    answer: z.object({ id: z.string(), kind: z.enum(['user', 'agent']), name: z.string(), roles: z.array(z.enum(userRoles)) }),
  },
} as const
