import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { StartRefusal } from '../../server/core/start-refusal.ts'
import { hubSecretFile, makeDataDirectory, operatorTokenFile, readSecret, secretFile } from '../../server/settings/data-directory.ts'
import { forgetFolders, temporaryFolder } from '../scripts/temporary-folder.ts'

const modeOf = (path: string): number => statSync(path).mode & 0o777

async function refusal(work: Promise<unknown>): Promise<{ message: string; fix: string }> {
  const error = await work.then(() => undefined).catch((thrown: unknown) => thrown)
  if (error instanceof StartRefusal) return { message: error.message, fix: error.fix }
  throw new Error(`not refused: ${String(error)}`)
}

describe('the data directory', () => {
  afterEach(forgetFolders)

  it('[SET-4] is made with all above it, for its owner only', async () => {
    const folder = join(temporaryFolder(), 'a/b/c')
    await makeDataDirectory(folder)
    await makeDataDirectory(folder)
    expect(modeOf(folder)).to.equal(0o700)
  })

  it('[SET-4] that cannot be made is refused at once, with what to set', async () => {
    const folder = temporaryFolder({ file: '' })
    const homeless = process.platform === 'linux' ? ['/proc/parley', '/proc/parley/deeper'] : []
    for (const path of [join(folder, 'file'), join(folder, 'file/inside'), ...homeless]) {
      const { message, fix } = await refusal(makeDataDirectory(path))
      expect(message, path).to.contain(`The data directory ${path} cannot be used`)
      expect(fix).to.contain('PARLEY_DATA_DIR')
    }
  })

  it('[SET-4] that is open to others and holds other files is refused, and left as it is', async () => {
    const folder = temporaryFolder({ 'letters/one.txt': '' })
    chmodSync(folder, 0o755)
    expect((await refusal(makeDataDirectory(folder))).message).to.contain('holds other files')
    expect(modeOf(folder)).to.equal(0o755)
    writeFileSync(join(folder, 'secret'), '')
    await makeDataDirectory(folder)
    expect(modeOf(folder)).to.equal(0o700)
  })

  it('[SET-5] a secret is made once, for its owner only, and is the same for all who ask at once', async () => {
    const folder = temporaryFolder()
    const all = await Promise.all([1, 2, 3].map(() => secretFile(folder, operatorTokenFile)))
    expect(new Set(all).size).to.equal(1)
    expect(all[0]).to.match(/^op_.{43}$/)
    expect(modeOf(join(folder, 'operator.token'))).to.equal(0o600)
  })

  it('[SET-5] a damaged secret is refused with what is wrong and how to mend it, and left as it is', async () => {
    const damages = { 'is empty': ' \n', 'holds 5 characters': 'short', 'more than one word': `${'a'.repeat(24)}\n${'b'.repeat(24)}` }
    for (const [what, text] of Object.entries(damages)) {
      const folder = temporaryFolder({ 'operator.token': text, secret: text })
      const token = await refusal(secretFile(folder, operatorTokenFile))
      expect(token.message).to.contain(join(folder, 'operator.token')).and.to.contain(what)
      expect(token.fix).to.contain('delete it')
      // Nothing opens the keys of a database again, so nobody is told to delete what they were made under.
      expect((await refusal(secretFile(folder, hubSecretFile))).fix)
        .to.contain('Restore')
        .and.not.to.contain('delete')
      expect(readFileSync(join(folder, 'operator.token'), 'utf8')).to.equal(text)
    }
  })

  it('[SET-5] a secret that is no file is refused, one that others may read is closed to them, and a missing one is none', async () => {
    const folder = temporaryFolder({ secret: 'x'.repeat(40) })
    mkdirSync(join(folder, 'operator.token'))
    expect((await refusal(readSecret(folder, operatorTokenFile))).fix).to.contain('chmod 600')
    chmodSync(join(folder, 'secret'), 0o644)
    expect(await readSecret(folder, hubSecretFile)).to.equal('x'.repeat(40))
    expect(modeOf(join(folder, 'secret'))).to.equal(0o600)
    expect(await readSecret(temporaryFolder(), hubSecretFile)).to.equal(undefined)
  })
})
