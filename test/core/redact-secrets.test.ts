import { expect } from 'chai'
import { redactText, redactValue } from '../../server/core/secrets/redact-secrets.ts'
import { jsonFault } from '../../shared/rules/json-fault.ts'

/** What a pattern may begin at again and again without coming to an end. With quadratic time, each would take minutes. */
const beginnings = [
  'eyJ-',
  'eyJaaaaaaaa.',
  '__Host-',
  '%3A%2F%2F',
  ':~1~1a',
  'a://',
  'bearer ',
  '?a-',
  '&token',
  'sk-',
  '-----BEGIN ',
  '$2b$10$',
  'op_',
]

describe('taking out what looks like a secret', () => {
  for (const beginning of beginnings) {
    it(`[AUDIT-31] takes time in step with the text, also for ${beginning} over and over`, () => {
      const text = beginning.repeat(1_000_000 / beginning.length)
      expect(redactText(text)).to.be.a('string')
    })
  }

  it('[AUDIT-31] still finds them inside of other text', () => {
    const found = [
      'x eyJhbGciOiJIUzI1NiJ9.abc.def.',
      '{"c":"__Host-parley=abcdef"}',
      'u=postgres%3A%2F%2Fme%3Apw%40host',
      '/x:~1~1me:pw@host',
    ]
    for (const text of found) expect(redactText(text), text).to.match(/\[redacted\]/)
  })

  it('[AUDIT-31] a text is cut to its bound behind what was taken out, and shows no part of what the cut went through', () => {
    const jwt = `eyJhbGciOiJIUzI1NiJ9.${'a'.repeat(200)}.${'b'.repeat(43)}`
    const kept = redactValue(`${'x'.repeat(90)} ${jwt} ${'y'.repeat(5_000)}`, { characters: 100, members: 10, depth: 2 })
    expect(kept).to.equal(`${'x'.repeat(90)} [redacted…`.slice(0, 100).concat('…'))
  })

  it('[AUDIT-31] the place of a fault is bounded, however long a name was sent', () => {
    const fault = jsonFault({ ['n'.repeat(200_000)]: '\ud800' }, 8)
    expect(fault?.pointer).to.have.lengthOf(300)
    expect(jsonFault({ ['\ud800']: 1 }, 8)?.pointer.isWellFormed()).to.equal(true)
  })
})
