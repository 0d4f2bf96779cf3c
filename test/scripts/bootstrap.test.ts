import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { runProgram } from './run-program.ts'
import { forgetFolders, temporaryFolder } from './temporary-folder.ts'

const bootstrap = fileURLToPath(new URL('../../scripts/lib/bootstrap.sh', import.meta.url))

// The host's Node of another major version: it knows its version, and nothing else.
const oldNode = (major: number): string => `#!/bin/sh\n[ "$1" = -p ] || exit 9\necho ${major}\n`

// An npm that notes what it was asked, under which Node, and does as much of it as the bootstrap looks at.
const npm = `#!/bin/sh
folder=$(cd "$(dirname "$0")/.." && pwd)
echo "npm $1 under $(node -p 'process.versions.node.split(".")[0]')" >>"$folder/asked"
[ ! -e "$folder/broken" ] || { echo 'no network'; exit 1; }
if [ "$1" = install ]; then
  mkdir -p "$folder/.node/node_modules/.bin"
  ln -sf "${process.execPath}" "$folder/.node/node_modules/.bin/node"
else
  rm -rf "$folder/node_modules" && mkdir "$folder/node_modules"
fi
`

describe('the bootstrap of scripts/start and scripts/test', () => {
  afterEach(forgetFolders)

  it('[HOUSE-9] on an older Node gets Node 24 first, then the packages under it, and the second time nothing', async () => {
    const folder = freshClone(20)
    expect(await boot(folder)).to.include({ code: 0, node: '24' })
    expect(asked(folder)).to.deep.equal(['npm install under 20', 'npm ci under 24'])
    expect(await boot(folder)).to.include({ code: 0, node: '24' })
    expect(asked(folder)).to.have.length(2)
  })

  it('[HOUSE-9] installs again when the lock file changed, and when the last installation was not finished', async () => {
    const folder = freshClone(22)
    await boot(folder)
    writeFileSync(join(folder, 'package-lock.json'), '{"changed":true}')
    await boot(folder)
    rmSync(join(folder, 'node_modules'), { recursive: true })
    await boot(folder)
    expect(asked(folder).slice(1)).to.deep.equal(['npm ci under 24', 'npm ci under 24', 'npm ci under 24'])
  })

  it('[HOUSE-13] scripts/node runs a file under Node 24 where one is, with its arguments, and says nothing of its own there', async () => {
    const folder = freshClone(20)
    const cwd = join(folder, 'elsewhere')
    mkdirSync(cwd)
    const args = ['-p', '[process.versions.node.split(".")[0], process.cwd(), process.argv[1]].join(" ")', 'an argument']
    const answer = `24 ${cwd} an argument\n`
    const first = await run(folder, { script: 'node', args, cwd })
    expect(first).to.deep.include({ code: 0, printed: answer })
    expect(first.said).to.contain('Getting Node 24')
    expect(await run(folder, { script: 'node', args, cwd })).to.deep.equal({ code: 0, printed: answer, said: answer })
  })

  it('[HOUSE-10] says what to do when npm fails, and succeeds the next time', async () => {
    const folder = freshClone(20)
    writeFileSync(join(folder, 'broken'), '')
    const { code, said } = await boot(folder)
    expect(code).to.equal(1)
    expect(said).to.contain('no network').and.to.contain('npm ping').and.to.contain('try again')
    rmSync(join(folder, 'broken'))
    expect(await boot(folder)).to.include({ code: 0, node: '24' })
    expect(existsSync(join(folder, '.node/installing'))).to.equal(false)
  })

  it('[HOUSE-10] refuses a Node that is too old, and a host without Node or npm, and says what to install', async () => {
    expect((await boot(freshClone(18))).said)
      .to.contain('too old')
      .and.to.contain('Install Node 24')
    const withoutNpm = freshClone(20)
    rmSync(join(withoutNpm, 'bin/npm'))
    expect((await boot(withoutNpm)).said).to.contain('npm is missing. It comes with Node.js')
    const withoutNode = freshClone(20)
    rmSync(join(withoutNode, 'bin/node'))
    expect((await boot(withoutNode)).said).to.contain('Node.js is missing. Install Node 24')
  })
})

function freshClone(hostNode: number): string {
  const folder = temporaryFolder({
    'package-lock.json': '{}',
    'scripts/try': `#!/bin/bash\nset -euo pipefail\n. "$(dirname "$0")/lib/bootstrap.sh"\nbootstrap\necho "node $(node -p 'process.versions.node.split(".")[0]')"\n`,
    'bin/node': oldNode(hostNode),
    'bin/npm': npm,
  })
  cpSync(bootstrap, join(folder, 'scripts/lib/bootstrap.sh'), { recursive: true })
  cpSync(join(bootstrap, '../../node'), join(folder, 'scripts/node'))
  for (const file of ['scripts/try', 'bin/node', 'bin/npm']) chmodSync(join(folder, file), 0o755)
  return folder
}

const asked = (folder: string): string[] => readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n')

async function boot(folder: string): Promise<{ code: number | null; said: string; node: string | undefined }> {
  const { code, said } = await run(folder, { script: 'try', args: [], cwd: folder })
  return { code, said, node: /^node (\d+)$/m.exec(said)?.[1] }
}

interface Start {
  script: string
  args: string[]
  cwd: string
}

/** Runs a script with only the folder's node and npm, beside the plain tools of the system. */
async function run(folder: string, { script, args, cwd }: Start): Promise<{ code: number | null; said: string; printed: string }> {
  const tools = ['basename', 'bash', 'cat', 'dirname', 'grep', 'ln', 'mkdir', 'readlink', 'rm', 'sed', 'sh', 'sleep', 'tail', 'touch']
  writeFileSync(
    join(folder, 'bin/tools'),
    `#!/bin/bash\nfor tool in ${tools.join(' ')}; do ln -sf "$(command -v $tool)" "${folder}/bin/$tool"; done\n`,
  )
  await runProgram({ command: 'bash', args: [join(folder, 'bin/tools')], cwd: folder }).ended
  const program = runProgram({ command: join(folder, 'scripts', script), args, cwd, env: { PATH: join(folder, 'bin') } })
  const code = await program.ended
  return { code, said: program.said(), printed: program.printed() }
}
