import { spawn } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Report } from './counting-reporter.ts'

export interface Counts {
  passed: number
  failed: number
}

// Here and not in .mocharc.json: mocha adds the files of its command line to those of its configuration, so that `npx mocha FILE`
// would run everything.
const EVERY_TEST = 'test/**/*.test.ts'
// Far above the whole suite's time; a hung run ends as a failure while the CI still waits.
const RUN_LIMIT_MS = 17 * 60_000
/** How long mocha may live behind its report. */
export interface Patience {
  /** Then it is looked at what is open. */
  look_ms: number
  /** So much longer that may take to close, */
  close_ms: number
  /** and so long, from the report on, a process may take that has nothing open. */
  exit_ms: number
}

// After the last test only hooks' leftovers are closed; what is still open then keeps the process alive for ever.
const PATIENCE: Patience = { look_ms: 5_000, close_ms: 7_000, exit_ms: 12_000 }
const POLL_MS = 500
const ENDING = ['SIGTERM', 'SIGHUP'] as const

/**
 * Runs mocha in `project` with the given arguments on top of .mocharc.json and counts what it ran. A crash, a hang, an end without
 * a report, and a run without any test are one failure each.
 */
export async function runMocha(project: string, args: string[], patience: Patience = PATIENCE): Promise<Counts> {
  const missing = args.filter((arg, at) => isNoOption(arg, args[at - 1]) && globSync(arg, { cwd: project }).length === 0)
  if (missing.length > 0) {
    // Mocha would only warn, and run all the others.
    console.error(`scripts/test: there is no file or folder ${missing.join(', ')}.`)
    return { passed: 0, failed: 1 }
  }
  const folder = mkdtempSync(join(tmpdir(), 'parley-mocha-'))
  try {
    const countsFile = join(folder, 'counts.json')
    const configFile = join(folder, 'mocharc.json')
    writeFileSync(configFile, JSON.stringify(mochaConfig(project, args)))
    const reporter = fileURLToPath(new URL('counting-reporter.ts', import.meta.url))
    const options = [
      '--config',
      configFile,
      '--reporter',
      reporter,
      '--reporter-option',
      `counts=${countsFile},look_ms=${patience.look_ms}`,
    ]
    const fault = await run({ project, args: [...options, ...args.map((arg) => testsOf(project, arg))], countsFile, patience })
    return judged({ report: readReport(countsFile), fault })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A developer who names files or folders wants those alone. */
function mochaConfig(project: string, args: string[]): Record<string, unknown> {
  const config = JSON.parse(readFileSync(join(project, '.mocharc.json'), 'utf8'))
  const namesFiles = args.some((arg) => !arg.startsWith('-') && (arg.endsWith('.ts') || isFolder(join(project, arg))))
  return namesFiles ? config : { ...config, spec: EVERY_TEST }
}

/** Neither an option nor, as in `--grep LOG-2`, what may be the value of one. */
const isNoOption = (arg: string, before = ''): boolean => !arg.startsWith('-') && !before.startsWith('-')

/** Of a folder the tests are meant, not the suites and helpers that stand beside them. */
const testsOf = (project: string, arg: string): string => (isFolder(join(project, arg)) ? join(arg, '**/*.test.ts') : arg)

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory()

interface Run {
  project: string
  args: string[]
  countsFile: string
  patience: Patience
}

/** Resolves to what was wrong with the run itself, or null. */
function run({ project, args, countsFile, patience }: Run): Promise<string | null> {
  return new Promise((resolve) => {
    const began = Date.now()
    let reported_at = 0
    let looked_at = 0
    let fault: string | null = null
    let isLeftOpen = false
    let threads = ''
    const mocha = spawn(join(project, 'node_modules/.bin/mocha'), args, { cwd: project, stdio: ['ignore', 'inherit', 'inherit'] })
    // Whoever ends this run (a time limit, a CI) means mocha too; it takes its own processes with it.
    const pass = (signal: NodeJS.Signals) => void mocha.kill(signal)
    for (const signal of ENDING) process.on(signal, pass)
    const watch = setInterval(() => {
      const { ended, open } = readReport(countsFile)
      if (reported_at === 0 && ended) reported_at = Date.now()
      if (looked_at === 0 && open.length > 0) looked_at = Date.now()
      if (Date.now() - began > RUN_LIMIT_MS) fault = `mocha ran longer than ${RUN_LIMIT_MS / 60_000} minutes`
      isLeftOpen = isOver(looked_at, patience.close_ms) || isOver(reported_at, patience.exit_ms)
      if (isLeftOpen && threads === '') threads = threadsOf(mocha.pid)
      if (fault !== null || isLeftOpen) mocha.kill('SIGKILL')
    }, POLL_MS)
    const end = (what: string | null) => {
      clearInterval(watch)
      for (const signal of ENDING) process.off(signal, pass)
      resolve(what)
    }
    mocha.once('error', (error) => end(`mocha could not be started (${error.message})`))
    mocha.once('exit', (code, signal) => {
      end(fault ?? (isLeftOpen ? leftFault(countsFile, threads) : endFault({ countsFile, ending: signal ?? code })))
    })
  })
}

const isOver = (since: number, ms: number): boolean => since !== 0 && Date.now() - since > ms

/**
 * What the tests left is their fault. A process that has nothing open, and hangs while it exits, is told of and ended. That was seen of whole
 * runs whose process kept gigabytes of closed hubs (HOUSE-21), never of parts. It was none of these: open handles, the bundler's threads, a
 * thousand watches of the event loop, or a heap of 3 GB alone, which is gone within a second.
 */
function leftFault(countsFile: string, threads: string): string | null {
  const { open } = readReport(countsFile)
  if (open.length > 0) return `the tests left something open, so mocha did not end: ${open.join(', ')}`
  console.error(`note: mocha had nothing open behind its report and did not exit, so it was ended; its threads: ${threads}`)
  return null
}

/** The threads of a process and where in the kernel each waits, to tell which library keeps it: `2 libuv-worker in futex_do_wait`. */
function threadsOf(pid: number | undefined): string {
  try {
    const folder = `/proc/${pid}/task`
    const said = (thread: string, what: string) => readFileSync(join(folder, thread, what), 'utf8').trim()
    const threads = readdirSync(folder).map((thread) => `${said(thread, 'comm')} in ${said(thread, 'wchan')}`)
    return [...Map.groupBy(threads, (one) => one)].map(([one, all]) => `${all.length} ${one}`).join(', ')
  } catch {
    // Only Linux says so, and not of a process that has just ended.
    return 'unknown'
  }
}

function endFault({ countsFile, ending }: { countsFile: string; ending: string | number | null }): string | null {
  const { ended, failed } = readReport(countsFile)
  if (!ended) return `mocha ended before it reported (${ending})`
  return ending === 0 || failed > 0 ? null : `mocha ended with ${ending} after its report`
}

/** What our own reporter wrote last, or nothing when it came to no report. */
const readReport = (file: string): Report =>
  existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { passed: 0, failed: 0, ended: false, running: null, failures: [], open: [] }

/** Says once more what failed, where a reader of a long log's end finds it. */
function judged({ report, fault }: { report: Report; fault: string | null }): Counts {
  const trouble = fault ?? (report.passed + report.failed === 0 ? 'no test ran' : null)
  for (const failure of report.failures) console.error(`scripts/test: failed: ${failure}`)
  if (trouble !== null) console.error(`scripts/test: ${trouble}.${report.running === null ? '' : ` It was in: ${report.running}`}`)
  return { passed: report.passed, failed: report.failed + (trouble === null ? 0 : 1) }
}
