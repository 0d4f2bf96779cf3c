import type { BoundKey, BoundRefusal } from '../../../../../shared/protocol/index.ts'
import { Moment } from '../manage/moment.tsx'
import { ProfileBounds } from '../profile-bounds.tsx'
import { Refusals } from './flag-row.tsx'

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
            {key.profile === null ? (
              <p class="muted">No profile: bound by its scopes and the flags above alone.</p>
            ) : (
              <ProfileBounds profile={key.profile} />
            )}
          </li>
        ))}
      </ul>
      {refused.map(({ rule, refusals, last_refused }) => (
        <Refusals key={rule} lacks={rule} count={refusals} last={last_refused} />
      ))}
    </section>
  )
}
