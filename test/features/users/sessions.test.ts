import { createHmac, hkdfSync } from 'node:crypto'
import { expect } from 'chai'
import jwt from 'jsonwebtoken'
import { DAY_MS, type IdentityHub, type Json, MINUTE_MS, NOBODY, SECRET, startIdentityHub } from '../identity/identity-hub.ts'

describe('sign-in by password', () => {
  let hub: IdentityHub

  before(async () => {
    hub = await startIdentityHub()
  })
  after(() => hub.close())

  const refresh = (refresh_token: unknown) => hub.post('/sessions/refresh', { refresh_token })

  it('[ID-7] an access token is good for 15 minutes, and no other JWT is: none, other algorithms, keys, types, audiences', async () => {
    const { user_id, email } = await hub.newUser()
    const { access_token, expires_in } = (await hub.signIn(email)).body
    const { sid } = jwt.decode(String(access_token)) as jwt.JwtPayload
    const other = jwt.decode(String((await hub.signIn((await hub.newUser()).email)).body['access_token'])) as jwt.JwtPayload
    const now = Math.floor(hub.clock.now() / 1_000)
    const claims = { iss: 'parley', aud: 'parley', sub: user_id, sid, iat: now, exp: now + 900 }
    const kid = String(periodOf(hub))
    const key = keyOf(kid)
    const header = { alg: 'HS256', typ: 'at+jwt', kid }
    const forged = (changed: Json, head: Json = {}, secret = key) => signed({ ...header, ...head }, { ...claims, ...changed }, secret)
    const bad = {
      'no signature': forged({}).replace(/[^.]*$/, ''),
      none: forged({}, { alg: 'none' }).replace(/[^.]*$/, ''),
      'another algorithm': jwt.sign(claims, key, { algorithm: 'HS512', header: { ...header, alg: 'HS512' } }),
      'another key': forged({}, {}, Buffer.alloc(32)),
      'the key as text': jwt.sign(claims, key.toString('hex'), { header }),
      'unknown kid': forged({}, { kid: '2' }),
      'a kid of long ago': forged({}, { kid: '1' }, keyOf('1')),
      'a kid that is a path': forged({}, { kid: '../../dev/null' }, Buffer.alloc(0)),
      'kid of every object': forged({}, { kid: '__proto__' }),
      'no kid': forged({}, { kid: undefined }),
      'another type': forged({}, { typ: 'JWT' }),
      'foreign audience': forged({ aud: 'elsewhere' }),
      'foreign issuer': forged({ iss: 'elsewhere' }),
      expired: forged({ exp: now }),
      'no end': forged({ exp: undefined }),
      'the system': forged({ sub: 'system' }),
      nobody: forged({ sub: NOBODY }),
      'no session': forged({ sid: undefined }),
      'no such session': forged({ sid: NOBODY }),
      "another user's session": forged({ sid: other['sid'] }),
      'a huge one': forged({ pad: 'x'.repeat(3_000) }),
      'a refresh token': String((await hub.signIn(email)).body['refresh_token']),
    }
    expect((await hub.me(forged({}))).status, 'control').to.equal(200)
    for (const [what, text] of Object.entries(bad)) expect((await hub.me(text)).status, what).to.equal(401)
    hub.clock.advance(Number(expires_in) * 1_000 - 10_000)
    expect((await hub.me(access_token)).body).to.deep.equal({ id: user_id, kind: 'user', name: 'Ann', roles: ['requester'] })
    hub.clock.advance(10_000)
    expect((await hub.me(access_token)).status).to.equal(401)
  })

  it('[USER-1] the key that signs changes every 30 days; a token of the old one is good until it ends, on every hub', async () => {
    const [mate] = await hub.startMore(1)
    hub.clock.advance((periodOf(hub) + 1) * 30 * DAY_MS - hub.clock.now() - 5 * MINUTE_MS)
    const { email } = await hub.newUser()
    const before = String((await hub.signIn(email)).body['access_token'])
    const kidOf = (text: string) => jwt.decode(text, { complete: true })?.header.kid
    hub.clock.advance(10 * MINUTE_MS)
    const after = String((await hub.signIn(email)).body['access_token'])
    expect([kidOf(before), kidOf(after)]).to.deep.equal([String(periodOf(hub) - 1), String(periodOf(hub))])
    for (const at of [undefined, mate]) {
      for (const bearer of [before, after]) {
        expect((await hub.ask('GET', '/me', { bearer, ...(at === undefined ? {} : { at }) })).status).to.equal(200)
      }
    }
    hub.clock.advance(5 * MINUTE_MS)
    expect([(await hub.me(before)).status, (await hub.me(after)).status]).to.deep.equal([401, 200])
  })

  it('[ID-8] a refresh token works once; used again, it ends its family, and a guess ends none', async () => {
    const { email } = await hub.newUser()
    const [one, other] = [(await hub.signIn(email)).body, (await hub.signIn(email)).body]
    const guess = `${String(one['refresh_token']).slice(0, 40)}${'A'.repeat(36)}`
    expect((await refresh(guess)).status).to.equal(401)
    const next = await refresh(one['refresh_token'])
    expect([next.status, next.headers.get('cache-control')]).to.deep.equal([200, 'no-store'])
    expect((await hub.me(next.body['access_token'])).status).to.equal(200)
    expect((await refresh(one['refresh_token'])).status).to.equal(401)
    expect((await refresh(next.body['refresh_token'])).status).to.equal(401)
    expect((await hub.me(next.body['access_token'])).status).to.equal(401)
    expect((await hub.me(other['access_token'])).status).to.equal(200)
    expect((await refresh(other['refresh_token'])).status).to.equal(200)
  })

  it('[ID-8] of twenty that use a refresh token at once, one at most gets on, and its family ends', async () => {
    const { email } = await hub.newUser()
    const { refresh_token } = (await hub.signIn(email)).body
    const raced = await Promise.all(Array.from({ length: 20 }, () => refresh(refresh_token)))
    const won = raced.filter(({ status }) => status === 200)
    expect(won).to.have.length(1)
    expect((await refresh(won[0]?.body['refresh_token'])).status).to.equal(401)
    expect((await hub.me(won[0]?.body['access_token'])).status).to.equal(401)
  })

  it('[ID-8] a refresh token that lay unused for 30 days is spent', async () => {
    const { refresh_token } = (await hub.signIn((await hub.newUser()).email)).body
    await hub.clock.pass(30 * DAY_MS)
    expect((await refresh(refresh_token)).status).to.equal(401)
  })

  it('[ID-11] an address has one user, in whatever case it is written and however many ask at once', async () => {
    const email = hub.newEmail()
    const spellings = ['Person', 'PERSON', 'person', 'pErson'].map((word) => ({ email: email.replace('person', word) }))
    const made = await Promise.all(spellings.map(hub.newUser))
    expect(made.map(({ status }) => status).sort()).to.deep.equal([201, 409, 409, 409])
    const refused = made.find(({ status }) => status === 409)?.body
    expect(refused?.['errors']).to.deep.equal([{ pointer: '/email', detail: 'a user has this address' }])
    expect((await hub.signIn(email.toUpperCase())).status).to.equal(200)
  })
})

const periodOf = (hub: IdentityHub) => Math.floor(hub.clock.now() / (30 * DAY_MS))

function keyOf(kid: string): Buffer {
  return Buffer.from(hkdfSync('sha256', SECRET, 'parley/identity', `access-token/${kid}`, 32))
}

function signed(header: Json, claims: Json, key: Buffer): string {
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
}
