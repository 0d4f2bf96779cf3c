import ts from 'typescript'

export interface TestFile {
  path: string
  text: string
}

interface Place {
  title: string | null
  at: string
  runs: boolean
}

const PROMISE = /^- \*\*([A-Z][A-Z0-9]*-[1-9]\d*)\*\* \S/
// A bullet that begins with something bold and numbered was meant as a promise.
const MEANT_AS_PROMISE = /^\s*[-*+]\s+\*\*[^*\s]+-\d+[^*]*\*\*/
const TITLE = /^\[([^\]\s]+)\] \S/
const TEST_FILE = /\.(test|suite|documentdb|redis)\.tsx?$/

/** Every way in which the promises of a SPEC.md and the titles of the tests do not belong together; empty when they do. */
export function specFaults({ spec, files }: { spec: TestFile; files: TestFile[] }): string[] {
  const { promises, faults } = readPromises(spec)
  const tests = files.filter((file) => TEST_FILE.test(file.path)).flatMap(testsOf)
  const proven = new Set(tests.filter((test) => test.runs).map((test) => numberOf(test.title)))
  const unpromised = new Set<string>() // told once each, however many tests there are
  for (const test of tests) {
    const number = numberOf(test.title)
    if (number === null) faults.push(`${test.at}: ${named(test.title)} does not begin with its promise's number: it('[ABC-12] …', …)`)
    else if (!promises.has(number) && !unpromised.has(number)) {
      unpromised.add(number)
      faults.push(`${test.at}: ${named(test.title)} names ${number}, which ${spec.path} does not promise`)
    }
  }
  for (const [number, at] of promises) if (!proven.has(number)) faults.push(`${at}: no test that runs begins with [${number}]`)
  return faults
}

/** How many promises a SPEC.md makes, for the sentence that says all is well. */
export const countPromises = (spec: TestFile): number => readPromises(spec).promises.size

function readPromises({ path, text }: TestFile): { promises: Map<string, string>; faults: string[] } {
  const promises = new Map<string, string>()
  const faults: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const at = `${path}:${index + 1}`
    const number = PROMISE.exec(line)?.[1]
    if (number === undefined) {
      if (MEANT_AS_PROMISE.test(line)) faults.push(`${at}: a promise reads \`- **ABC-12** text\`: ${line.trim()}`)
    } else if (promises.has(number))
      faults.push(`${at}: ${number} is promised at ${promises.get(number)} already; a number is never used again`)
    else promises.set(number, at)
  }
  if (promises.size === 0) faults.push(`${path}: it makes no promise; one reads \`- **ABC-12** text\``)
  return { promises, faults }
}

const numberOf = (title: string | null): string | null => TITLE.exec(title ?? '')?.[1] ?? null

const named = (title: string | null): string => (title === null ? 'a title that is computed' : `'${title}'`)

/** Every `it(…)` of a file: also `it.only`, and `it.skip`, `xit` and those without a body, which prove nothing. */
function testsOf({ path, text }: TestFile): Place[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const places: Place[] = []
  const visit = (node: ts.Node): void => {
    const kind = ts.isCallExpression(node) ? kindOf(node.expression) : null
    if (ts.isCallExpression(node) && kind !== null) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart())
      const runs = kind === 'runs' && node.arguments.length > 1
      places.push({ title: literalStart(node.arguments[0]), at: `${path}:${line + 1}`, runs })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return places
}

function kindOf(callee: ts.Expression): 'runs' | 'skipped' | null {
  if (ts.isIdentifier(callee)) return { it: 'runs' as const, specify: 'runs' as const, xit: 'skipped' as const }[callee.text] ?? null
  if (!ts.isPropertyAccessExpression(callee) || !ts.isIdentifier(callee.expression) || callee.expression.text !== 'it') return null
  return { only: 'runs' as const, skip: 'skipped' as const }[callee.name.text] ?? null
}

/** What a title certainly begins with: a string, the head of a template, the left side of a sum; null when it is computed. */
function literalStart(title: ts.Expression | undefined): string | null {
  if (title === undefined) return null
  if (ts.isStringLiteralLike(title)) return title.text
  // The dots stand for what is filled in, so that `[ABC-12] ${name}` reads as a number and a title.
  if (ts.isTemplateExpression(title)) return `${title.head.text}…`
  if (ts.isBinaryExpression(title) && title.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const left = literalStart(title.left)
    return left === null ? null : `${left}…`
  }
  return ts.isParenthesizedExpression(title) ? literalStart(title.expression) : null
}
