import { myself } from '../account/session.ts'
import { type Contract, contracts } from '../contracts.ts'
import { whoIs } from '../names.ts'
import { roomPath } from '../route.ts'
import { oneLine } from '../untrusted-text.ts'
import { Untrusted } from './untrusted.tsx'
import { BareName } from './who-name.tsx'

export type FirstStep = { take: 'an agent' } | { take: 'the only room'; room: Contract }

/** What to do next, for who has no room yet, or only the first one. Undefined where there is a choice. */
export function firstStep(): FirstStep | undefined {
  const { items, total } = contracts.value
  const [room] = items ?? []
  if (items?.length === 0) return myself()?.roles.includes('admin') ? { take: 'an agent' } : undefined
  return total === 1 && room?.state === 'open' ? { take: 'the only room', room } : undefined
}

/** What stands beside the list while no room is open. */
export function NoRoomOpen({ step }: { step: FirstStep | undefined }) {
  if (step?.take === 'the only room') return <OneRoom room={step.room} />
  if (step?.take === 'an agent') return <NoRoom />
  return <p>{contracts.value.total === 0 ? 'What happens in a room is shown here.' : 'Choose a room to see what happens in it.'}</p>
}

function NoRoom() {
  return (
    <>
      <h2>Begin with an agent</h2>
      <p>
        Register one under <a href="/app/agents">Agents</a>, start it with its key, and open a contract with it: the README of Parley has an
        agent in twenty lines, and the three commands.
      </p>
      <p>
        Or stop the hub and run <code>scripts/start</code>, which brings an agent that answers questions.
      </p>
    </>
  )
}

function OneRoom({ room: { contract_id, title, requester_id, provider_id } }: { room: Contract }) {
  const agent = whoIs(provider_id)
  return (
    <>
      <p>
        <a class="button primary" href={roomPath(contract_id)}>
          <span>
            Open “<Untrusted text={oneLine(title, 60)} />”
          </span>
        </a>
      </p>
      {agent.kind === 'agent' && whoIs(requester_id).isMe && (
        <p>
          <BareName who={agent} /> is an agent and works there for you: write a message, and watch what it does.
        </p>
      )}
    </>
  )
}
