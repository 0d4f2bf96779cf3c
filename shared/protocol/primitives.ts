import { z } from 'zod'

/** A UUID in any version; the hub makes version 7 (RFC 9562), so ids sort by time. */
export const idSchema = z.guid('must be an id as the hub gives it, a UUID such as 01234567-89ab-7cde-8123-456789abcdef').meta({ id: 'Id' })

/** A moment, ISO 8601 in UTC with milliseconds. */
export const timeSchema = z.iso.datetime()

/** A place in a room's log, gapless from 1. 0 stands before the first event. */
export const seqSchema = z.int().min(0).max(999_999_999_999)

/** What makes a frame idempotent: chosen by the sender, unique for it in the stream, for the life of the log. */
export const keySchema = z.string().min(1).max(200)

/** SHA-256 in lower-case hex. */
export const hashSchema = z.string().regex(/^[0-9a-f]{64}$/)

export const epochSchema = z.string().min(1).max(64)

export const principalKinds = ['user', 'agent', 'system'] as const
export const bySchema = z.object({ kind: z.enum(principalKinds), id: z.string() })
/** Who did it. */
export type By = z.infer<typeof bySchema>
export type PrincipalKind = By['kind']

export const toolNameSchema = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'use 1 to 64 letters, digits, `_`, `.` or `-`')

export const permissionFlags = ['can_read_attachments', 'can_access_web', 'can_run_code_sandbox', 'can_message_requester'] as const
export type PermissionFlag = (typeof permissionFlags)[number]
/** What a contract permits, as it is told: not strict, for a newer hub may know more flags. What is asked for is (the patch below). */
export const permissionsSchema = z.object({
  can_read_attachments: z.boolean(),
  can_access_web: z.boolean(),
  can_run_code_sandbox: z.boolean(),
  can_message_requester: z.boolean(),
})
export type Permissions = z.infer<typeof permissionsSchema>
export const permissionFlagSchema = z.enum(permissionFlags)
/** Some of the flags; those that are left out stay as they are. */
export const permissionsPatchSchema = z.strictObject({
  can_read_attachments: z.boolean().exactOptional(),
  can_access_web: z.boolean().exactOptional(),
  can_run_code_sandbox: z.boolean().exactOptional(),
  can_message_requester: z.boolean().exactOptional(),
})

/** An amount of money as text, in micro-units of a currency: numbers of JavaScript would round it. */
export const valueSchema = z.object({ amount_micros: z.string().regex(/^\d{1,24}$/), currency: z.string().regex(/^[A-Z]{3,5}$/) })

/** Any JSON value: checked for depth at the gateway, kept as it is. */
export const jsonSchema = z.unknown()

export const visibilities = ['all', 'staff'] as const
export type Visibility = (typeof visibilities)[number]
