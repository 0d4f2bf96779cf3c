import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { InlineConfig } from 'vite'

export interface Built {
  modules: string[]
  code: string
}

/** In a process of its own, for the bundler's threads keep a process from exiting now and then. */
export async function viteBuild(config: InlineConfig): Promise<Built> {
  const file = fileURLToPath(new URL('./vite-child.ts', import.meta.url))
  const child = spawn(process.execPath, [file, JSON.stringify(config)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(child, 'exit')
  let last = ''
  for await (const line of createInterface(child.stdout)) {
    last = line
    if (line.startsWith('{"modules":')) break
  }
  child.kill('SIGKILL')
  const [code] = await gone
  if (!last.startsWith('{"modules":')) throw new Error(`the build ended with ${code}: ${last}`)
  return JSON.parse(last) as Built
}
