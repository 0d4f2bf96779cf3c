import type { BoundKey, Profile } from '../../../../shared/protocol/index.ts'
import { oneLine } from '../untrusted-text.ts'
import { Untrusted } from './untrusted.tsx'

/** As the agent's own list has it, or as a room, where nobody learns with whom else the agent deals. */
type Bounds = Partial<Profile & NonNullable<BoundKey['profile']>>

const names = {
  allowed_tools: 'Tools',
  allowed_agents: 'Other agents',
  allowed_agents_count: 'Other agents',
  allowed_skills: 'Skills',
  max_concurrent_tasks: 'Calls at once',
  max_execution_seconds: 'Seconds a call',
  max_cpu_cores: 'CPU cores',
  max_memory_gb: 'Memory, GB',
  max_cost_per_task: 'US dollars a task',
  network_access: 'Network',
  filesystem_access: 'Files',
} as const satisfies Record<keyof Bounds, string>

/** What the profile of a key allows, bound by bound. */
export function ProfileBounds({ profile }: { profile: Bounds }) {
  const bounds = (Object.keys(names) as (keyof Bounds)[]).filter((name) => profile[name] !== undefined)
  return (
    <dl class="bounds">
      {bounds.map((name) => (
        <div key={name}>
          <dt>{names[name]}</dt>
          <dd>
            <Untrusted text={oneLine(wordsOf(profile[name]), 400)} />
          </dd>
        </div>
      ))}
    </dl>
  )
}

function wordsOf(bound: Bounds[keyof Bounds]): string {
  if (Array.isArray(bound)) return bound.length === 0 ? 'none' : bound.join(', ')
  if (typeof bound === 'boolean') return bound ? 'yes' : 'no'
  return String(bound)
}
