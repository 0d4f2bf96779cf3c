import type { Connection } from 'mongoose'
import { ParleyError } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import type { Principal } from '../../core/principal.ts'
import type { Route } from '../../pipeline/route.ts'
import { createAccessTokens } from './access-token.ts'
import { createBrowserSignIn } from './browser-sign-in.ts'
import { createModel } from './model.ts'
import { createPrincipals, type Principals } from './principals.ts'
import { createRoutes } from './routes.ts'
import { createSecrets } from './secrets.ts'
import { createSessions } from './sessions.ts'

export type { KnownPrincipal } from './principals.ts'

export interface IdentitySettings {
  /** At least 32 bytes of entropy. Every other key is derived from it: another secret means new keys for all. */
  secret: string
  operator_token: string
  public_url: string
  dev_mode: boolean
}

export interface Authenticated {
  principal: Principal
  /** When the proof ends; null: not by time. */
  expires_at_ms: number | null
}

/** Each rejects with one and the same UNAUTHENTICATED, whether the proof is missing, wrong, spent or unknown. */
export interface Authenticate {
  /** An agent's API key. */
  key(text: string): Promise<Authenticated>
  /** A user's access token, or the operator's token. */
  token(text: string): Promise<Authenticated>
  /** A Cookie header. Whoever asks has checked the Origin. */
  cookie(header: string | undefined): Promise<Authenticated>
  /** What follows `Bearer `: any of a key, an access token or the operator's token. */
  bearer(text: string): Promise<Authenticated>
}

export interface Identity {
  routes: Route[]
  authenticate: Authenticate
  principals: Pick<Principals, 'find' | 'agent' | 'user'>
  /** The user as whom the operator's token acts. */
  operator(): Promise<Principal>
  /** Makes the operator's user at the first start. */
  start(): Promise<void>
}

/** Who is there, and how they prove it. */
export function createIdentity({
  connection,
  clock,
  settings: { secret, operator_token, public_url, dev_mode },
  onTrouble,
}: {
  connection: Connection
  clock: Clock
  settings: IdentitySettings
  onTrouble(what: string, cause: unknown): void
}): Identity {
  if (operator_token === '') throw new Error("the operator's token is empty")
  const model = createModel(connection)
  const secrets = createSecrets(secret)
  const accessTokens = createAccessTokens({ keys: secrets.signingKeys, clock })
  const principals = createPrincipals({ model, secrets, clock, dev_mode })
  const sessions = createSessions({ model, secrets, accessTokens, clock })
  const browserSignIn = createBrowserSignIn({ model, secrets, clock, public_url, onTrouble })

  const authenticate: Authenticate = {
    async key(text) {
      return (await principals.agentOfKey(text)) ?? unauthenticated()
    },

    async token(text) {
      if (secrets.isSame(text, operator_token)) return { principal: await principals.operator(), expires_at_ms: null }
      return withUser(accessTokens.verify(text))
    },

    async cookie(header) {
      return withUser(await browserSignIn.find(header))
    },

    async bearer(text) {
      return text.startsWith('pk_agent_') ? authenticate.key(text) : authenticate.token(text)
    },
  }

  async function withUser(proof: { user_id: string; expires_at_ms: number } | undefined): Promise<Authenticated> {
    const principal = proof && (await principals.user(proof.user_id))
    return principal && proof ? { principal, expires_at_ms: proof.expires_at_ms } : unauthenticated()
  }

  return {
    routes: createRoutes({ principals, sessions, browserSignIn }),
    authenticate,
    principals,
    operator: principals.operator,
    start: () => principals.ensureOperator(),
  }
}

function unauthenticated(): never {
  throw new ParleyError('UNAUTHENTICATED')
}
