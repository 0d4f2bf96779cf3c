import {
  idSchema,
  ParleyError,
  type PermissionFlag,
  type ProfileRule,
  permissionFlags,
  profileRules,
  type RefusingSide,
  refusingSides,
} from '../../../shared/protocol/index.ts'
import type { TurnedAway } from '../../pipeline/door-watch.ts'

/** What an agent was refused in a contract, and for want of what. */
export interface Refusal {
  agent_id: string
  contract_id: string
  /** A flag, or the bound of its key's profile. */
  lacks: PermissionFlag | ProfileRule
  denied_by: RefusingSide
  /** The frame or route. */
  what: string
}

/** Undefined for what was turned away for any other reason, and for what is about no contract. */
export function refusalOf({ error, door, principal, subject }: TurnedAway): Refusal | undefined {
  if (!(error instanceof ParleyError) || principal?.kind !== 'agent') return undefined
  const contract_id = idSchema.safeParse(subject?.type === 'contract' ? subject.id : undefined)
  const lack = lackOf(error)
  if (!contract_id.success || lack === undefined) return undefined
  return { agent_id: principal.id, contract_id: contract_id.data, ...lack, what: door.replace(/^frame /, '') }
}

function lackOf({ code, facts }: ParleyError): Pick<Refusal, 'lacks' | 'denied_by'> | undefined {
  if (code === 'PROFILE_VIOLATED') {
    const lacks = profileRules.find((rule) => rule === facts['rule'])
    return lacks && { lacks, denied_by: 'key' }
  }
  if (code !== 'PERMISSION_DENIED') return undefined
  const lacks = permissionFlags.find((flag) => flag === facts['permission'])
  const denied_by = refusingSides.find((side) => side === facts['by'])
  return lacks && denied_by && { lacks, denied_by }
}
