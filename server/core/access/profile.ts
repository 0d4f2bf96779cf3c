import {
  type FilesystemAccess,
  filesystemAccesses,
  ParleyError,
  type Profile,
  type ProfileRule,
  profileRules,
} from '../../../shared/protocol/index.ts'
import type { Principal } from './principal.ts'

/** What somebody is about to use, as far as a profile bounds it. */
export interface Demand {
  tools?: readonly string[]
  agents?: readonly string[]
  skills?: readonly string[]
  /** The tasks under way, with the one that is asked for. */
  concurrent_tasks?: number
  execution_seconds?: number
  cpu_cores?: number
  memory_gb?: number
  /** In US dollars, of one task. */
  cost?: number
  network?: boolean
  filesystem?: FilesystemAccess
}

type Rules = { readonly [R in ProfileRule]: (bound: NonNullable<Profile[R]>, demand: Demand) => string | undefined }

/** Each answers why the demand goes over the bound, if it does. */
const rules: Rules = {
  allowed_tools: (allowed, { tools }) => outside(allowed, tools, 'tool'),
  allowed_agents: (allowed, { agents }) => outside(allowed, agents, 'agent'),
  allowed_skills: (allowed, { skills }) => outside(allowed, skills, 'skill'),
  max_concurrent_tasks: (most, { concurrent_tasks }) => over(most, concurrent_tasks, 'tasks at once'),
  max_cpu_cores: (most, { cpu_cores }) => over(most, cpu_cores, 'CPU cores'),
  max_memory_gb: (most, { memory_gb }) => over(most, memory_gb, 'GB of memory'),
  max_execution_seconds: (most, { execution_seconds }) => over(most, execution_seconds, 'seconds of execution'),
  max_cost_per_task: (most, { cost }) => over(most, cost, 'dollars a task'),
  network_access: (may, { network }) => (network && !may ? 'The profile of the key allows no network' : undefined),
  filesystem_access: (most, { filesystem = 'none' }) =>
    rank(filesystem) > rank(most) ? `The profile of the key allows '${most}' of the file system, not '${filesystem}'` : undefined,
}

/**
 * Throws PROFILE_VIOLATED that names the first rule of the key's profile which the demand goes against. Whatever uses something that a
 * profile bounds asks here first; humans, and keys without a profile, are not bound.
 */
export function requireProfile(principal: Principal, demand: Demand): void {
  const profile = profileOf(principal)
  if (profile === undefined) return
  for (const rule of profileRules) {
    const detail = violation(profile, rule, demand)
    if (detail !== undefined) throw new ParleyError('PROFILE_VIOLATED', { detail, rule })
  }
}

export function profileOf({ credential }: Principal): Profile | undefined {
  return credential?.kind === 'key' ? credential.profile : undefined
}

/** So long a task may take at most, in milliseconds. */
export function executionBoundOf(principal: Principal): number | undefined {
  const seconds = profileOf(principal)?.max_execution_seconds
  return seconds === undefined ? undefined : seconds * 1_000
}

/** Throws PROFILE_VIOLATED unless whoever is bound by `inner` can do nothing that `outer` forbids. */
export function requireWithin(outer: Profile | undefined, inner: Profile = {}): void {
  if (outer === undefined) return
  const most = demandOf(inner)
  for (const rule of profileRules) {
    if (outer[rule] === undefined) continue
    const detail = inner[rule] === undefined ? `The profile of the key bounds ${rule}, and this is not bound` : violation(outer, rule, most)
    if (detail !== undefined) throw new ParleyError('PROFILE_VIOLATED', { detail, rule })
  }
}

function violation<R extends ProfileRule>(profile: Profile, rule: R, demand: Demand): string | undefined {
  const bound = profile[rule]
  return bound === undefined ? undefined : rules[rule](bound, demand)
}

/** All that a profile allows, asked for at once. */
function demandOf(profile: Profile): Demand {
  const { allowed_tools, allowed_agents, allowed_skills, network_access, filesystem_access } = profile
  const { max_concurrent_tasks, max_execution_seconds, max_cpu_cores, max_memory_gb, max_cost_per_task } = profile
  return {
    ...(allowed_tools ? { tools: allowed_tools } : {}),
    ...(allowed_agents ? { agents: allowed_agents } : {}),
    ...(allowed_skills ? { skills: allowed_skills } : {}),
    ...(max_concurrent_tasks === undefined ? {} : { concurrent_tasks: max_concurrent_tasks }),
    ...(max_execution_seconds === undefined ? {} : { execution_seconds: max_execution_seconds }),
    ...(max_cpu_cores === undefined ? {} : { cpu_cores: max_cpu_cores }),
    ...(max_memory_gb === undefined ? {} : { memory_gb: max_memory_gb }),
    ...(max_cost_per_task === undefined ? {} : { cost: max_cost_per_task }),
    ...(network_access === undefined ? {} : { network: network_access }),
    ...(filesystem_access === undefined ? {} : { filesystem: filesystem_access }),
  }
}

function outside(allowed: readonly string[], asked: readonly string[] = [], what: string): string | undefined {
  const stranger = asked.find((one) => !allowed.includes(one))
  return stranger === undefined ? undefined : `The profile of the key does not allow the ${what} '${stranger}'`
}

function over(most: number, asked = 0, what: string): string | undefined {
  return asked > most ? `The profile of the key allows ${most} ${what}, not ${asked}` : undefined
}

function rank(access: FilesystemAccess): number {
  return filesystemAccesses.indexOf(access)
}
