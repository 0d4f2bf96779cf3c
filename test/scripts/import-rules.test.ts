import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { runProgram } from './run-program.ts'
import { forgetFolders, temporaryFolder } from './temporary-folder.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

// Each rule with an import that it must catch: [who, whom].
const forbidden: Record<string, [string, string]> = {
  'no-cycles': ['server/features/runs/a.ts', './b.ts'],
  'every-import-resolves': ['server/features/runs/lost.ts', './nowhere.ts'],
  'shipped-code-needs-no-dev-package': ['server/features/runs/chai.ts', 'chai'],
  'nothing-imports-test': ['server/features/runs/test.ts', '../../../test/place.ts'],
  'nothing-imports-scripts': ['server/features/runs/scripts.ts', '../../../scripts/place.ts'],
  'protocol-imports-zod-only': ['shared/protocol/rules.ts', '../rules/place.ts'],
  'shared-imports-zod-only': ['shared/rules/files.ts', 'node:fs'],
  'core-imports-shared-only': ['server/core/express.ts', 'express'],
  'pipeline-knows-ports-only': ['server/pipeline/gateway.ts', '../gateway/place.ts'],
  'a-feature-knows-no-gateway-or-database': ['server/features/runs/database.ts', '../../database/place.ts'],
  'a-feature-through-its-index-only': ['server/features/runs/rooms.ts', '../rooms/place.ts'],
  'the-gateway-knows-no-feature': ['server/gateway/rooms.ts', '../features/rooms/index.ts'],
  'the-database-knows-no-feature': ['server/database/rooms.ts', '../features/rooms/index.ts'],
  'the-embedded-database-stands-alone': ['server/database/embedded/core.ts', '../../core/place.ts'],
  'only-main-composes': ['server/core/composes.ts', '../compose/compose-hub.ts'],
  'the-server-knows-no-client': ['server/gateway/sdk.ts', '../../client/sdk/place.ts'],
  'the-sdk-imports-shared-and-socket-io-client': ['client/sdk/express.ts', 'express'],
  'what-needs-node-stands-apart': ['client/sdk/stores.ts', './file-storage.ts'],
  'the-console-imports-the-sdk-and-preact': ['client/console/express.ts', 'express'],
  'examples-import-the-sdk-only': ['examples/docs-desk/shared.ts', '../../shared/rules/place.ts'],
}

// Imports of each kind that the rules must let through.
const allowed: [string, string][] = [
  ['shared/protocol/zod.ts', 'zod'],
  ['shared/rules/protocol.ts', '../protocol/zod.ts'],
  ['server/core/protocol.ts', '../../shared/protocol/zod.ts'],
  ['server/features/runs/rooms-index.ts', '../rooms/index.ts'],
  ['server/features/runs/files.ts', 'node:fs'],
  ['server/gateway/express.ts', 'express'],
  ['server/compose/compose-hub.ts', '../features/rooms/index.ts'],
  ['server/run-hub.ts', './compose/compose-hub.ts'],
  ['client/sdk/protocol.ts', '../../shared/protocol/zod.ts'],
  ['client/sdk/file-storage.ts', 'node:fs'],
  ['client/sdk/node.ts', './file-storage.ts'],
  ['server/core/hashes.ts', 'node:crypto'],
  ['client/console/sdk.ts', '../sdk/protocol.ts'],
  ['examples/docs-desk/sdk.ts', '../../client/sdk/protocol.ts'],
  ['test/everything.ts', '../server/features/rooms/place.ts'],
]

describe('the import rules', () => {
  afterEach(forgetFolders)

  it('[HOUSE-1] catch a forbidden import, each rule its own, and say what to do instead', async () => {
    const { rules, found } = await cruise(fixture())
    for (const { comment } of rules) expect(comment).to.match(/\S \S/)
    expect(Object.keys(forbidden).toSorted(), 'each rule has its example').to.deep.equal(rules.map(({ name }) => name).toSorted())
    const importers = Object.entries(forbidden).map(([rule, [importer]]) => `${rule}: ${importer}`)
    expect(found.filter((line) => !importers.includes(line) && !line.startsWith('no-cycles'))).to.deep.equal(alsoCaught)
    expect(importers.filter((line) => !found.includes(line))).to.deep.equal([])
  })

  it('[HOUSE-2] are read with the TypeScript that is pinned', async () => {
    const { devDependencies } = JSON.parse(readFileSync(`${project}/package.json`, 'utf8'))
    const info = runProgram({ command: `${project}/node_modules/.bin/depcruise`, args: ['--info'], cwd: project })
    expect(await info.ended).to.equal(0)
    expect(info.said()).to.match(new RegExp(`✔ typescript .* typescript@${devDependencies.typescript.replaceAll('.', '\\.')}`))
  })
})

// One import may break two rules at once; these are the second ones.
const alsoCaught = ['core-imports-shared-only: server/core/composes.ts']

function fixture(): string {
  const packages = { zod: 'dependencies', express: 'dependencies', chai: 'devDependencies' }
  const imports = [...Object.values(forbidden), ...allowed, ['server/features/runs/b.ts', './a.ts'] as const]
  const places = [
    'server/gateway',
    'server/database',
    'server/core',
    'server/features/rooms',
    'client/sdk',
    'shared/rules',
    'test',
    'scripts',
  ]
  return temporaryFolder({
    'package.json': JSON.stringify({
      type: 'module',
      dependencies: namesOf(packages, 'dependencies'),
      devDependencies: namesOf(packages, 'devDependencies'),
    }),
    ...Object.fromEntries(Object.keys(packages).flatMap(fakePackage)),
    ...Object.fromEntries(places.map((place) => [`${place}/place.ts`, 'export const place = 1\n'])),
    'server/features/rooms/index.ts': 'export const rooms = 1\n',
    ...Object.fromEntries(imports.map(([importer, imported]) => [importer, `import '${imported}'\nexport {}\n`])),
  })
}

const namesOf = (packages: Record<string, string>, kind: string): Record<string, string> =>
  Object.fromEntries(Object.entries(packages).flatMap(([name, is]) => (is === kind ? [[name, '1.0.0']] : [])))

const fakePackage = (name: string): [string, string][] => [
  [`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' })],
  [`node_modules/${name}/index.js`, ''],
]

interface Cruise {
  rules: { name: string; comment: string }[]
  found: string[]
}

async function cruise(folder: string): Promise<Cruise> {
  const options = ['--config', `${project}/.dependency-cruiser.mjs`, '--output-type', 'json']
  const folders = ['server', 'shared', 'client', 'scripts', 'examples', 'test']
  const cruiser = runProgram({ command: `${project}/node_modules/.bin/depcruise`, args: [...options, ...folders], cwd: folder })
  await cruiser.ended
  const { summary } = JSON.parse(cruiser.said())
  const found = summary.violations.map(({ rule, from }: { rule: { name: string }; from: string }) => `${rule.name}: ${from}`)
  return { rules: summary.ruleSetUsed.forbidden, found: found.toSorted() }
}
