import { expect } from 'chai'
import { type IdentityHub, startIdentityHub } from '../identity/identity-hub.ts'

describe('what a password costs', () => {
  let hub: IdentityHub

  before(async () => {
    hub = await startIdentityHub({ dear_passwords: true })
  })
  after(() => hub.close())

  it('[ID-21] it lies as a bcrypt hash of cost 12', async () => {
    const { user_id } = await hub.newUser()
    const stored = await hub.connection.collection('users').findOne({ _id: user_id as never })
    expect(stored?.['password_hash']).to.match(/^\$2b\$12\$/)
  })

  it('[ID-9] an unknown user gets the answer of a wrong password, after about the same time', async () => {
    const { email } = await hub.newUser()
    const refused = async (address: string, password = 'wrong') => {
      const began = performance.now()
      const { status, body } = await hub.signIn(address, password)
      return { ms: performance.now() - began, answer: { status, ...body, correlation_id: '' } }
    }
    const [known, unknown] = [await refused(email), await refused(hub.newEmail())]
    // The least of several says what it costs: any one of them may have waited for the machine.
    const least = { known: known.ms, unknown: unknown.ms }
    for (let again = 0; again < 2; again++) {
      least.known = Math.min(least.known, (await refused(email)).ms)
      least.unknown = Math.min(least.unknown, (await refused(hub.newEmail())).ms)
    }
    expect(known.answer).to.include({ status: 401, code: 'UNAUTHENTICATED' })
    expect(unknown.answer).to.deep.equal(known.answer)
    // Without the comparison it would be a hundredth.
    expect(least.unknown).to.be.greaterThan(least.known / 8)
    const withoutPassword = await refused('operator@parley.invalid', '')
    expect(withoutPassword.answer).to.deep.equal(known.answer)
  })

  it('[ID-12] a password is compared whole: one that only begins like it is wrong', async () => {
    const password = 'p'.repeat(72)
    const { email } = await hub.newUser({ password })
    expect((await hub.signIn(email, password)).status).to.equal(200)
    expect((await hub.signIn(email, `${password}p`)).status).to.equal(401)
  })
})
