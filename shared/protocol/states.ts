/** One invocation of a tool. Exactly one of the last six states ends it. */
export const callStates = [
  'requested',
  'approved',
  'running',
  'succeeded',
  'failed',
  'canceled',
  'timed_out',
  'abandoned',
  'denied',
  'expired',
] as const
export type CallState = (typeof callStates)[number]

export const contractStates = ['open', 'ended'] as const
export type ContractState = (typeof contractStates)[number]

export const keyEndReasons = ['revoked', 'rotated', 'expired'] as const
export type KeyEndReason = (typeof keyEndReasons)[number]

/** Whose the permission was that lacked: the agent's own, the contract's, or its key's. */
export const refusingSides = ['agent', 'contract', 'key'] as const
export type RefusingSide = (typeof refusingSides)[number]

export const roomRoles = ['requester', 'provider', 'owner', 'staff'] as const
/** What a principal is to one contract. */
export type RoomRole = (typeof roomRoles)[number]

export const userRoles = ['requester', 'provider', 'reviewer', 'admin'] as const
/** What a human is to the company that runs the hub. Reviewers and admins are its staff. */
export type UserRole = (typeof userRoles)[number]

export const userStatuses = ['invited', 'active', 'disabled'] as const
/** Whether a user may sign in: not yet, yes, no more. */
export type UserStatus = (typeof userStatuses)[number]
