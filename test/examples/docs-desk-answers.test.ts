import { expect } from 'chai'
import { extractAnswer } from '../../examples/docs-desk/answers/extract-answer.ts'
import { openFolder } from '../../examples/docs-desk/reading/folder.ts'
import { createPassageIndex } from '../../examples/docs-desk/reading/passage-index.ts'
import { forgetFolders, temporaryFolder } from '../scripts/temporary-folder.ts'

const files = {
  'guide.md': 'To restore a backup, stop the tower and put the copy in its place, then light it again.\n',
  'spec.md': '- **R-1** A restored backup is whole.\n- **R-2** Only here stands the lantern oil.\n',
  'words.md':
    '| word | meaning |\n|---|---|\n| tower | what holds the lanterns |\n\n| call | fields |\n|---|---|\n| `tower.light` | `{tower, lantern}` |\n',
}

describe('docs-desk: which sentence comes first', () => {
  afterEach(forgetFolders)

  async function firstOf(question: string): Promise<string | undefined> {
    const folder = await openFolder({ root: temporaryFolder(files), only: undefined, reference: ['spec.md'] })
    const index = createPassageIndex(folder)
    const { citations } = extractAnswer(question, await index.search(question, 12), index.weightOf)
    return citations.map(({ file, line }) => `${file}:${line}`)[0]
  }

  it('[DESK-17] what is written for readers comes before what is kept for checking, which answers where nothing else does', async () => {
    expect(await firstOf('How do I restore a backup?')).to.equal('guide.md:1')
    expect(await firstOf('Where is the lantern oil?')).to.equal('spec.md:2')
  })

  it('[DESK-17] a word alone is answered by its row of a glossary, and names of columns answer nothing', async () => {
    expect(await firstOf('What is a tower?')).to.equal('words.md:3')
    expect(await firstOf('meaning')).to.equal(undefined)
  })
})
