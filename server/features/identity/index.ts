import type { Connection } from 'mongoose'
import { type CloseCode, ParleyError } from '../../../shared/protocol/index.ts'
import type { Principal } from '../../core/access/principal.ts'
import type { Clock } from '../../core/clock.ts'
import type { Audit } from '../../pipeline/audit.ts'
import type { Route } from '../../pipeline/http/route.ts'
import { type Authenticated, createUsers, type UserSettings } from '../users/index.ts'
import { createAgentRoutes } from './agent-routes.ts'
import { createAgents } from './agents.ts'
import { createGrantRoutes, type GrantRouteDeps } from './grant-routes.ts'
import { createGrants, type GrantsTeller } from './grants.ts'
import { createAgentKeys } from './keys/agent-keys.ts'
import { createKeyEndings, type KeyEndings, type KeyEnds } from './keys/key-endings.ts'
import { createKeyLookup, type KeyLookup } from './keys/key-lookup.ts'
import { createKeyRegister } from './keys/key-register.ts'
import { createKeyRoutes } from './keys/key-routes.ts'
import { createKeyUses } from './keys/key-uses.ts'
import { createSecrets } from './keys/secrets.ts'
import { createModel } from './model.ts'
import { type Accept, createPrincipals, type Principals } from './principals.ts'

export type { Authenticated } from '../users/index.ts'
export type { GrantsTeller } from './grants.ts'
export type { KnownPrincipal } from './principals.ts'

export interface IdentitySettings extends UserSettings {
  dev_mode: boolean
}

/** Each rejects with one and the same UNAUTHENTICATED, whether the proof is missing, wrong, spent or unknown. */
export interface Authenticate {
  /** An agent's API key. It counts as used unless `accept` throws. */
  key(text: string, accept?: Accept): Promise<Authenticated>
  /** A user's access token, or the operator's token. */
  token(text: string): Promise<Authenticated>
  /** A Cookie header. Whoever asks has checked the Origin. */
  cookie(header: string | undefined): Promise<Authenticated>
  /** What follows `Bearer `: any of a key, an access token or the operator's token. */
  bearer(text: string, accept?: Accept): Promise<Authenticated>
}

export interface Identity {
  routes: Route[]
  authenticate: Authenticate
  principals: Pick<Principals, 'find' | 'agent'>
  grants: Pick<ReturnType<typeof createGrants>, 'settle' | 'of'>
  keys: Pick<KeyLookup, 'requireGood' | 'endedSince' | 'boundsOf'> & Pick<KeyEndings, 'settle'>
  /** The principal as it is now, by the same credential. Throws UNAUTHENTICATED when that has ended. */
  proveAgain(principal: Principal): Promise<Principal>
  /** What has become of the credentials of some principals, since they were shown. */
  lookUp(shown: readonly Principal[]): Promise<Map<string, FoundCredential>>
  /** The rooms and connections are built upon identity, and so come later. */
  bind(later: BoundLater): void
  /** The user as whom the operator's token acts. */
  operator(): Promise<Principal>
  /** Counts that a connection's key was used. */
  noteUse(principal: Principal): void
  /** Makes the operator's user at the first start. */
  start(): Promise<void>
  /** Writes down what is only in memory. */
  close(): Promise<void>
}

export interface BoundLater {
  ends: KeyEnds
  grants: GrantsTeller
  /** Looks at the connections of a principal: resolves when this node has closed what must not go on, and the others were told. */
  recheck(principal_id: string): Promise<void>
}

export interface FoundCredential {
  ended?: { code: CloseCode; reason: string }
  /** Where it is known: when it will end. */
  expires_at_ms?: number | null
}

/** Who is there, and how they prove it: agents by their keys, humans by what the feature `users` knows. */
export function createIdentity({
  connection,
  clock,
  audit,
  settings,
  permissionRecords,
  onTrouble,
}: {
  connection: Connection
  clock: Clock
  audit: Audit
  settings: IdentitySettings
  permissionRecords: GrantRouteDeps['recordsOf']
  onTrouble(what: string, cause: unknown): void
}): Identity {
  const model = createModel(connection)
  const agentsOf = async (owner_ids: string[]) => {
    const rows = await model.agents.find({ owner_id: { $in: owner_ids } }, { projection: { owner_id: 1 } }).toArray()
    return Map.groupBy(rows, ({ owner_id }) => owner_id ?? '')
  }
  let bound: BoundLater | undefined
  const onChange = async (user_id: string) => bound?.recheck(user_id)
  const users = createUsers({ connection, clock, audit, settings, agentsOf, onChange, onTrouble })
  const register = createKeyRegister({ model, clock })
  const uses = createKeyUses({ model, clock, onTrouble })
  const secrets = createSecrets(settings.secret)
  const ends = lateEnds(() => bound?.ends)
  const endings = createKeyEndings({ model, register, ends, clock, audit, onTrouble })
  const { dev_mode } = settings
  const keys = createAgentKeys({ model, register, uses, secrets, clock, audit, endings, lookAt: ends.lookAt, dev_mode })
  const agents = createAgents({ model, keys, clock, audit })
  const principals = createPrincipals({ model, users, keys })
  const teller: GrantsTeller = {
    lookAt: (agent_id, due_ms) => (bound ?? unbound()).grants.lookAt(agent_id, due_ms),
    tell: (news) => (bound ?? unbound()).grants.tell(news),
    settled: (agent_id) => (bound ?? unbound()).grants.settled(agent_id),
  }
  const grants = createGrants({ model, teller, clock, audit, onTrouble })
  const lookup = createKeyLookup({ model, clock })

  const authenticate: Authenticate = {
    key: async (text, accept) => (await principals.agentOfKey(text, accept)) ?? unauthenticated(),
    token: async (text) => (await users.ofToken(text)) ?? unauthenticated(),
    cookie: async (header) => (await users.ofCookie(header)) ?? unauthenticated(),
    bearer: async (text, accept) => {
      if (text.startsWith('pk_agent_')) return authenticate.key(text, accept)
      const proven = await authenticate.token(text)
      accept?.(proven.principal)
      return proven
    },
  }

  return {
    routes: [
      ...createAgentRoutes({ agents, showsCookie: users.showsCookie }),
      ...createGrantRoutes({ agents, grants, recordsOf: permissionRecords }),
      ...createKeyRoutes({ model, agents, keys, clock }),
      ...users.routes,
    ],
    authenticate,
    principals,
    grants,
    keys: { ...lookup, settle: endings.settle },
    async proveAgain(principal) {
      if (principal.credential?.kind === 'session') return (await users.proveAgain(principal)) ?? unauthenticated()
      await lookup.requireGood(principal)
      return principal
    },
    lookUp: async (shown) => {
      const keysShown = shown.flatMap(({ credential }) => (credential?.kind === 'key' ? credential.id : []))
      const sessionsShown = shown.flatMap(({ credential, roles }) =>
        credential?.kind === 'session' ? [[credential.id, roles] as const] : [],
      )
      const [foundKeys, foundSessions] = await Promise.all([lookup.lookUp(keysShown), users.lookUp(new Map(sessionsShown))])
      return new Map<string, FoundCredential>([...foundKeys, ...foundSessions])
    },
    bind: (later) => {
      bound = later
    },
    operator: users.operator,
    noteUse: ({ credential }) => {
      if (credential?.kind === 'key') uses.note(credential.id)
    },
    start: users.start,
    close: uses.close,
  }
}

function unauthenticated(): never {
  throw new ParleyError('UNAUTHENTICATED')
}

function lateEnds(bound: () => KeyEnds | undefined): KeyEnds {
  const now = () => bound() ?? unbound()
  return {
    lookAt: (key, due_ms) => now().lookAt(key, due_ms),
    tellNew: (key) => now().tellNew(key),
    tell: (key) => now().tell(key),
    settled: (key) => now().settled(key),
  }
}

function unbound(): never {
  throw new Error('a key was changed before the rooms were there')
}
