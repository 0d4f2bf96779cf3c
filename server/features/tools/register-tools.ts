import { type Frame, ParleyError } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import { requireProfile } from '../../core/access/profile.ts'
import type { Background } from '../../pipeline/background/background.ts'
import type { SessionCommand } from '../../pipeline/command.ts'
import type { Session } from '../../pipeline/session.ts'
import { createKeepTools, type KeepToolsDeps } from './keep-tools.ts'
import type { InputValidators } from './schemas/input-validator.ts'

export interface RegisterDeps extends KeepToolsDeps {
  validators: InputValidators
  /** Throws UNAUTHENTICATED when the credential has ended, by the store. */
  requireGood(principal: Principal): Promise<void>
  /** Notes the session's set; throws HELLO_REQUIRED when it has not said hello. */
  setTools(session: Session, tools: ReadonlySet<string>): Promise<void>
  /** Calls that waited for an agent with such a tool can go now. */
  sendOpenCalls(agent_ids: string[]): Promise<void>
  background: Background
}

/** An agent says what it can do. The set replaces the one before, and outlives the connection and the hub. */
export function createRegisterTools({
  validators,
  requireGood,
  setTools,
  sendOpenCalls,
  background,
  ...deps
}: RegisterDeps): SessionCommand<'agent.tools.register'> {
  const { limits } = deps
  const keepTools = createKeepTools(deps)

  async function handle(session: Session, { tools }: Frame<'agent.tools.register'>) {
    if (tools.length > limits.tools) throw invalid('/tools', `at most ${limits.tools} tools`)
    const names = new Set<string>()
    for (const [at, { name, timeout_ms }] of tools.entries()) {
      if (names.has(name)) throw invalid(`/tools/${at}/name`, `'${name}' stands twice`)
      if (timeout_ms !== undefined && timeout_ms > limits.call_timeout_max_ms)
        throw invalid(`/tools/${at}/timeout_ms`, `at most ${limits.call_timeout_max_ms}`)
      names.add(name)
    }
    requireProfile(session.principal, { tools: [...names] })
    const agent_id = session.principal.id
    await requireGood(session.principal)
    await validators.compile(
      agent_id,
      tools.map(({ input_schema }, at) => ({ input_schema, pointer: `/tools/${at}/input_schema` })),
    )
    await setTools(session, names)
    await keepTools(session.principal, tools)
    const registered = { tools: [...names] }
    return {
      ack: () => registered,
      afterwards: () => {
        session.send('core.tools.registered', registered)
        background.run('open calls were not sent', sendOpenCalls([agent_id]))
      },
    }
  }

  return { kind: 'session', type: 'agent.tools.register', handle }
}

function invalid(pointer: string, detail: string): ParleyError {
  return new ParleyError('FRAME_INVALID', { errors: [{ pointer, detail }] })
}
