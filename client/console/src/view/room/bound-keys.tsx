import type { BoundKey, BoundRefusal } from '../../../../../shared/protocol/index.ts'
import { oneLine } from '../../untrusted-text.ts'
import { Moment } from '../manage/moment.tsx'
import { Untrusted } from '../untrusted.tsx'
import { Refusals } from './flag-row.tsx'

type Profile = NonNullable<BoundKey['profile']>

const names = {
  allowed_tools: 'Tools',
  allowed_agents_count: 'Other agents',
  allowed_skills: 'Skills',
  max_concurrent_tasks: 'Calls at once',
  max_execution_seconds: 'Seconds a call',
  max_cpu_cores: 'CPU cores',
  max_memory_gb: 'Memory, GB',
  max_cost_per_task: 'US dollars a task',
  network_access: 'Network',
  filesystem_access: 'Files',
} as const satisfies Record<keyof Profile, string>

/** The agent's good keys and their bounds: neither party learns a secret here, nor with whom else the agent deals. */
export function BoundKeys({ keys, refused }: { keys: readonly BoundKey[]; refused: readonly BoundRefusal[] }) {
  if (keys.length === 0 && refused.length === 0) return null
  return (
    <section aria-labelledby="bound-keys">
      <h3 id="bound-keys">Keys of the agent</h3>
      <ul class="flags">
        {keys.map((key) => (
          <li class="flag" key={key.key_id}>
            <p class="flag-title">
              <strong>
                Key <code>…{key.key_id.slice(-6)}</code>
              </strong>
              <span class="muted">
                since <Moment at={key.issued_at} />
                {key.expires_at !== null && (
                  <>
                    , ends <Moment at={key.expires_at} />
                  </>
                )}
              </span>
            </p>
            <Bounds profile={key.profile ?? {}} />
          </li>
        ))}
      </ul>
      {refused.map(({ rule, refusals, last_refused }) => (
        <Refusals key={rule} lacks={rule} count={refusals} last={last_refused} />
      ))}
    </section>
  )
}

function Bounds({ profile }: { profile: Partial<Profile> }) {
  const bounds = (Object.keys(names) as (keyof Profile)[]).filter((name) => profile[name] !== undefined)
  if (bounds.length === 0) return <p class="muted">No profile: bound by its scopes and the flags above alone.</p>
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

function wordsOf(bound: Profile[keyof Profile]): string {
  if (Array.isArray(bound)) return bound.length === 0 ? 'none' : bound.join(', ')
  if (typeof bound === 'boolean') return bound ? 'yes' : 'no'
  return String(bound)
}
