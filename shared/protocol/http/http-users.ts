import { z } from 'zod'
import { idSchema, timeSchema } from '../primitives.ts'
import { userRoles, userStatuses } from '../states.ts'
import type { HttpRow } from './http-row.ts'
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
const tokenBody = z.strictObject({ token: z.string().max(200) })
const passwordByToken = z.strictObject({ token: z.string().max(200), password: passwordSchema })
const credentials = z.strictObject({ email: z.string().max(254), password: typedPassword })

const tokens = z.object({ access_token: z.string(), refresh_token: z.string(), expires_in: z.int() })
/** The session itself is in the cookie. */
const signedIn = z.object({ user_id: idSchema, name: z.string() })
const link = z.object({ url: z.string(), expires_at: timeSchema })
const whose = z.object({ user_id: idSchema, email: z.string(), name: z.string() })

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
    who: 'operator',
    about:
      'makes a user; a password has at least 10 characters and at most 72 bytes; roles: `requester`, `provider`, and for staff `reviewer`, `admin` (an operator)',
    status: 201,
    refuses: ['ALREADY_EXISTS'],
    body: z.strictObject({ email: emailSchema, name: nameSchema, password: passwordSchema, roles: rolesSchema }),
    answer: z.object({ user_id: idSchema }),
  },
  'GET /users': {
    who: 'operator',
    about: 'a list of the users',
    query: z.strictObject({ ...pageQuery(['created_at']), status: z.enum(userStatuses).exactOptional() }),
    answer: pageOf(user),
  },
  'GET /users/:id': {
    who: 'operator',
    about: 'the user; `reset_asked_at` when a new password was asked for',
    versioned: true,
    answer: user,
  },
  'PATCH /users/:id': {
    who: 'operator',
    about: 'changes a user; `status` is `active` or `disabled`, which signs the user out everywhere',
    versioned: true,
    refuses: ['OPERATOR_KEPT'],
    body: z.strictObject({
      name: nameSchema.exactOptional(),
      roles: rolesSchema.exactOptional(),
      status: z.enum(['active', 'disabled']).exactOptional(),
    }),
    answer: user,
  },
  'PUT /users/me/password': {
    who: 'a user',
    about: 'ends all sessions; the answer holds a new one',
    refuses: ['PERMISSION_DENIED', 'PASSWORD_WRONG'],
    body: z.strictObject({ current_password: typedPassword, new_password: passwordSchema }),
    answer: z.union([tokens, signedIn]),
  },
  'POST /users/:id/password-reset-links': {
    who: 'operator',
    about: 'a link that works once, within a day',
    status: 201,
    refuses: ['USER_STATUS'],
    answer: link,
  },
  'POST /sessions': {
    who: 'anyone',
    about: 'signs a program in; `expires_in` is in seconds: 900; the refresh token lives 30 days',
    refuses: ['UNAUTHENTICATED'],
    body: credentials,
    answer: tokens,
  },
  'POST /sessions/browser': {
    who: 'anyone',
    about: "signs in: the console's cookie comes with it",
    refuses: ['UNAUTHENTICATED'],
    body: credentials,
    answer: signedIn,
  },
  'POST /sessions/refresh': {
    who: 'anyone',
    about: 'new tokens; a refresh token works once',
    refuses: ['UNAUTHENTICATED'],
    body: z.strictObject({ refresh_token: z.string().max(200) }),
    answer: tokens,
  },
  'GET /sessions': {
    who: 'a user',
    about: "a list of one's own",
    refuses: ['PERMISSION_DENIED'],
    query: z.strictObject(pageQuery(['created_at'])),
    answer: pageOf(session),
  },
  'DELETE /sessions': {
    who: 'a user',
    about: "ends all of one's own, and every link that would open one; with `keep=current` all but the one that asks",
    status: 204,
    refuses: ['PERMISSION_DENIED'],
    query: z.strictObject({ keep: z.enum(['current']).exactOptional() }),
  },
  'DELETE /sessions/current': { who: 'a user', about: 'signs out', status: 204, refuses: ['NOT_FOUND'] },
  'DELETE /sessions/:id': { who: 'a user', about: "ends one of one's own", status: 204, refuses: ['PERMISSION_DENIED'] },
  'POST /sign-in-links': {
    who: 'operator',
    about: 'a link that works once',
    status: 201,
    refuses: ['NOT_FOUND', 'USER_STATUS'],
    body: z.strictObject({ user_id: idSchema.exactOptional() }),
    answer: link,
  },
  'POST /sign-in-links/look': {
    who: 'anyone',
    about: 'whom it signs in, without using it',
    refuses: ['UNAUTHENTICATED'],
    body: tokenBody,
    answer: whose,
  },
  'POST /sign-in-links/redeem': {
    who: 'anyone',
    about: "signs in: the console's cookie comes with it",
    refuses: ['UNAUTHENTICATED'],
    body: tokenBody,
    answer: signedIn,
  },
  'POST /invitations': {
    who: 'operator',
    about: 'invites a user: one without a password, and a link that works once, within 7 days',
    status: 201,
    refuses: ['ALREADY_EXISTS'],
    body: z.strictObject({ email: emailSchema, name: nameSchema, roles: rolesSchema }),
    answer: link.extend({ user_id: idSchema }),
  },
  'POST /invitations/look': {
    who: 'anyone',
    about: 'whose link it is, without using it',
    refuses: ['UNAUTHENTICATED'],
    body: tokenBody,
    answer: whose,
  },
  'POST /invitations/redeem': {
    who: 'anyone',
    about: "signs in: the console's cookie comes with it",
    refuses: ['UNAUTHENTICATED'],
    body: passwordByToken,
    answer: signedIn,
  },
  'POST /password-resets': {
    who: 'anyone',
    about: 'asks for a new password; the same answer, whoever it is; an operator sees that it was asked',
    status: 202,
    body: z.strictObject({ email: z.string().max(254) }),
    answer: z.object({}),
  },
  'POST /password-resets/look': {
    who: 'anyone',
    about: 'whose link it is, without using it',
    refuses: ['UNAUTHENTICATED'],
    body: tokenBody,
    answer: whose,
  },
  'POST /password-resets/redeem': {
    who: 'anyone',
    about: "signs in: the console's cookie comes with it",
    refuses: ['UNAUTHENTICATED'],
    body: passwordByToken,
    answer: signedIn,
  },
  'GET /me': {
    who: 'principal',
    about: 'who you are to the hub',
    answer: z.object({ id: z.string(), kind: z.enum(['user', 'agent']), name: z.string(), roles: z.array(z.enum(userRoles)) }),
  },
} as const satisfies Record<string, HttpRow>
