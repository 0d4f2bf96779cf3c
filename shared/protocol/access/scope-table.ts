import type { PermissionFlag } from '../primitives.ts'

export interface ScopeRow {
  about: string
  /** The permission of the agent without which no key of it may have the scope. */
  permission?: PermissionFlag
}

/** What a key may call. Rows are added, never renamed: keys that were issued hold them for ever. */
export const scopeTable = {
  'rooms:read': { about: 'join rooms; read contracts, their logs and the text of calls' },
  'rooms:write': { about: 'open and end contracts, post messages, call tools and cancel calls' },
  tools: { about: "register the agent's tools and answer calls" },
  keys: { about: "issue, rotate, revoke and list the agent's keys" },
  agent: { about: "change the agent's name and wallet, and let its owner claim it" },
  attachments: { about: 'use attachments where agent and contract may', permission: 'can_read_attachments' },
  web: { about: 'use the web where agent and contract may', permission: 'can_access_web' },
  sandbox: { about: 'run code in the sandbox where agent and contract may', permission: 'can_run_code_sandbox' },
} as const satisfies Record<string, ScopeRow>

export type Scope = keyof typeof scopeTable
export const scopes = Object.keys(scopeTable) as [Scope, ...Scope[]]
