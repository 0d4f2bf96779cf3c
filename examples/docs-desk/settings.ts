import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface ModelSettings {
  /** Where an OpenAI-compatible server listens, such as `http://127.0.0.1:8080/v1`. */
  url: string
  model: string
  api_key: string | undefined
}

export interface FolderSettings {
  root: string
  /** The files and folders of the root that count; undefined = all. */
  only: readonly string[] | undefined
  /** Files and folders that are kept for checking rather than for reading: what others say on a subject comes before them. */
  reference: readonly string[]
}

export interface Settings {
  hub_url: string
  operator_token: string
  data_dir: string
  folder: FolderSettings
  first_question: string
  model: ModelSettings | undefined
}

const repository = fileURLToPath(new URL('../..', import.meta.url))

const FIRST_QUESTION = 'What happens to what was said in a room when the hub is killed with kill -9?'

/** The only reader of the environment. Throws with every fault at once. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const faults: string[] = []
  const need = (name: string): string => {
    const value = text(env, name)
    if (value === undefined) faults.push(`${name} is not set. scripts/start sets it for you.`)
    return value ?? ''
  }
  const settings = {
    hub_url: address(env, 'PARLEY_URL', faults) ?? need('PARLEY_URL'),
    operator_token: need('PARLEY_OPERATOR_TOKEN'),
    data_dir: resolve(need('PARLEY_DATA_DIR')),
    folder: folderOf(text(env, 'DOCS_DESK_FOLDER')),
    first_question: text(env, 'DOCS_DESK_QUESTION') ?? FIRST_QUESTION,
    model: modelOf(env, faults),
  }
  if (faults.length > 0) throw new Error(faults.join(' '))
  return settings
}

function folderOf(given: string | undefined): FolderSettings {
  if (given !== undefined) return { root: resolve(given), only: undefined, reference: [] }
  return { root: repository, only: ['README.md', 'docs'], reference: ['docs/SPEC.md', 'docs/adr'] }
}

function modelOf(env: NodeJS.ProcessEnv, faults: string[]): ModelSettings | undefined {
  const url = address(env, 'DOCS_DESK_MODEL_URL', faults)
  if (url === undefined) return undefined
  const model = text(env, 'DOCS_DESK_MODEL')
  if (model === undefined) faults.push('DOCS_DESK_MODEL is not set, yet DOCS_DESK_MODEL_URL is. Name the model that the server has.')
  return { url: url.replace(/\/+$/, ''), model: model ?? '', api_key: text(env, 'DOCS_DESK_API_KEY') }
}

function address(env: NodeJS.ProcessEnv, name: string, faults: string[]): string | undefined {
  const value = text(env, name)
  if (value !== undefined && !/^https?:$/.test(URL.parse(value)?.protocol ?? '')) faults.push(`${name} is not an http address: ${value}`)
  return value
}

function text(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}
