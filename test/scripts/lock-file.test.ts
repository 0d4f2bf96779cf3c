import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { lockGaps } from '../../scripts/lib/lock-gaps.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

describe('package-lock.json', () => {
  it('[HOUSE-11] names every package for every platform, so that npm ci takes it everywhere (mend: node scripts/complete-lock.ts)', () => {
    const { packages } = JSON.parse(readFileSync(`${project}/package-lock.json`, 'utf8'))
    expect(lockGaps(packages)).to.deep.equal([])
  })

  it('[HOUSE-11] a gap is seen, and a package further up is found', () => {
    const packages = {
      '': { dependencies: { a: '1.0.0' } },
      'node_modules/a': { version: '1.0.0', dependencies: { b: '1.0.0' }, optionalDependencies: { 'c-darwin-arm64': '1.0.0' } },
      'node_modules/a/node_modules/b': { version: '1.0.0', dependencies: { a: '1.0.0' } },
    }
    expect(lockGaps(packages)).to.deep.equal([{ name: 'c-darwin-arm64', version: '1.0.0', wantedBy: 'node_modules/a', optional: true }])
  })

  it('[HOUSE-12] names no registry and no address', () => {
    expect(readFileSync(`${project}/package-lock.json`, 'utf8')).not.to.match(/"resolved"|registry/)
  })
})
