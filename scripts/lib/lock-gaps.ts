export interface LockedPackage {
  version?: string
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  [field: string]: unknown
}

export interface LockGap {
  name: string
  version: string
  wantedBy: string
  optional: boolean
}

/** Every package that another one of a lock file wants and that the lock does not name; `npm ci` refuses such a lock. */
export function lockGaps(packages: Record<string, LockedPackage>): LockGap[] {
  return Object.entries(packages).flatMap(([wantedBy, { dependencies = {}, optionalDependencies = {} }]) =>
    Object.entries({ ...dependencies, ...optionalDependencies })
      .filter(([name]) => !isNamed(packages, { name, from: wantedBy }))
      .map(([name, version]) => ({ name, version, wantedBy, optional: name in optionalDependencies })),
  )
}

/** Node looks in the nearest node_modules and then in each one above it. */
function isNamed(packages: Record<string, LockedPackage>, { name, from }: { name: string; from: string }): boolean {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (`${folder === '' ? '' : `${folder}/`}node_modules/${name}` in packages) return true
    if (folder === '') return false
  }
}
