// Adds to package-lock.json the packages for other platforms which npm left out because the registry in use did not serve them.
// Without them `npm ci` refuses the lock everywhere. They carry no integrity: only the platforms that need them fetch them.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type LockedPackage, lockGaps } from './lib/lock-gaps.ts'

const file = fileURLToPath(new URL('../package-lock.json', import.meta.url))
const lock: { packages: Record<string, LockedPackage> } = JSON.parse(readFileSync(file, 'utf8'))
const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64']

for (const { name, version, wantedBy, optional } of lockGaps(lock.packages)) {
  const words = name.split(/[/-]/)
  const os = words.filter((word) => systems.includes(word))
  const cpu = words.filter((word) => processors.includes(word))
  if (!optional || os.length !== 1 || cpu.length !== 1 || !/^\d+\.\d+\.\d+$/.test(version)) {
    console.error(`${name}@${version}, which ${wantedBy} wants, is not a package for one platform: add it with npm install.`)
    process.exitCode = 1
    continue
  }
  const { dev, license, engines } = lock.packages[wantedBy] ?? {}
  const libc = words.includes('musl') ? { libc: ['musl'] } : {}
  lock.packages[`node_modules/${name}`] = JSON.parse(JSON.stringify({ version, cpu, dev, ...libc, license, optional: true, os, engines }))
  console.log(`${name}@${version}`)
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => a.localeCompare(b, 'en')))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
