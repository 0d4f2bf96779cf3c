import type { Connection } from 'mongoose'
import type { UserRole } from '../../../shared/protocol/index.ts'
import type { Clock } from '../../core/clock.ts'
import type { Principal } from '../../core/principal.ts'
import type { Audit } from '../../pipeline/audit.ts'
import type { Route } from '../../pipeline/route.ts'
import { createAccessTokens } from './access-token.ts'
import { createBrowserSignIn } from './browser-sign-in.ts'
import { createModel } from './model.ts'
import { createPeople } from './people.ts'
import { createRoutes } from './routes.ts'
import { createSecrets } from './secrets.ts'
import { createSessions } from './sessions.ts'

export interface UserSettings {
  /** At least 32 bytes of entropy. Every other key is derived from it: another secret means new keys for all. */
  secret: string
  operator_token: string
  public_url: string
}

export interface Authenticated {
  principal: Principal
  /** When the proof ends; null: not by time. */
  expires_at_ms: number | null
}

export interface KnownUser {
  id: string
  kind: 'user'
  name: string
  roles: readonly UserRole[]
}

export interface Users {
  routes: Route[]
  /** Of an access token, or the operator's token. Undefined for every other text. */
  ofToken(text: string): Promise<Authenticated | undefined>
  /** Of a Cookie header. Whoever asks has checked the Origin. */
  ofCookie(header: string | undefined): Promise<Authenticated | undefined>
  /** Whether a Cookie header claims a session, good or not. */
  showsCookie(header: string | undefined): boolean
  principal(id: string): Promise<Principal | undefined>
  find(ids: string[]): Promise<KnownUser[]>
  /** The user as whom the operator's token acts. */
  operator(): Promise<Principal>
  /** Makes the operator's user at the first start. */
  start(): Promise<void>
}

/** The humans: who they are, how they sign in, and how that ends. */
export function createUsers({
  connection,
  clock,
  audit,
  settings: { secret, operator_token, public_url },
  agentsOf,
  onTrouble,
}: {
  connection: Connection
  clock: Clock
  audit: Audit
  settings: UserSettings
  agentsOf(user_id: string): Promise<string[]>
  onTrouble(what: string, cause: unknown): void
}): Users {
  if (operator_token === '') throw new Error("the operator's token is empty")
  const model = createModel(connection)
  const secrets = createSecrets(secret)
  const accessTokens = createAccessTokens({ keys: secrets.signingKeys, clock })
  const people = createPeople({ model, secrets, clock, audit, agentsOf })
  const sessions = createSessions({ model, secrets, accessTokens, clock, audit })
  const browserSignIn = createBrowserSignIn({ model, secrets, clock, audit, public_url, onTrouble })

  async function withPrincipal(proof: { user_id: string; expires_at_ms: number } | undefined): Promise<Authenticated | undefined> {
    const principal = proof && (await people.principal(proof.user_id))
    return principal && proof ? { principal, expires_at_ms: proof.expires_at_ms } : undefined
  }

  return {
    routes: createRoutes({ people, sessions, browserSignIn }),
    async ofToken(text) {
      if (secrets.isSame(text, operator_token)) return { principal: await people.operator(), expires_at_ms: null }
      return withPrincipal(accessTokens.verify(text))
    },
    ofCookie: async (header) => withPrincipal(await browserSignIn.find(header)),
    showsCookie: browserSignIn.isShown,
    principal: people.principal,
    find: async (ids) => (await people.find(ids)).map(({ _id, name, roles }) => ({ id: _id, kind: 'user', name, roles })),
    operator: people.operator,
    start: () => people.ensureOperator(),
  }
}
