import { z } from 'zod'
import { scopes } from './scope-table.ts'

// The table itself stands apart from zod, for pages that show it.
export * from './scope-table.ts'

/** In a key's scopes: all that the agent itself may do. */
export const ALL_SCOPES = '*'
export const keyScopeSchema = z.enum([ALL_SCOPES, ...scopes])
export type KeyScope = z.infer<typeof keyScopeSchema>
