import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Program {
  process: ChildProcess
  /** All that it has said so far, on both outputs. */
  said(): string
  /** The same, of standard output alone. */
  printed(): string
  /** Resolves once it has said this; rejects when it ends before. */
  says(part: string): Promise<void>
  /** Resolves to its exit code once it has ended and its outputs are closed. */
  ended: Promise<number | null>
}

/** Starts a program and listens to it. */
export function runProgram({
  command,
  args,
  cwd,
  env = {},
}: {
  command: string
  args: string[]
  cwd: string
  env?: NodeJS.ProcessEnv
}): Program {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  let printed = ''
  child.stdout.on('data', (part: string) => {
    printed += part
  })
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
      for (const listener of listeners) listener()
    })
  }
  const ended = once(child, 'close').then(([code]) => code as number | null) // node's own signature of the event
  const says = (part: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => void (text.includes(part) && resolve())
      listeners.add(look)
      look()
      void ended.then(() => reject(new Error(`it ended without saying '${part}':\n${text}`)))
    })
  return { process: child, said: () => text, printed: () => printed, says, ended }
}
