import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const README = fileURLToPath(new URL('README.md', import.meta.url))

/** Puts texts where bench/README.md keeps the last run: between `<!-- name -->` and `<!-- /name -->`. Throws when there is no such place. */
export async function intoReadme(texts: Record<string, string>, file = README): Promise<void> {
  let page = await readFile(file, 'utf8')
  for (const [name, text] of Object.entries(texts)) {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
    const [from, to] = [page.indexOf(begin), page.indexOf(end)]
    if (from === -1 || to < from) throw new Error(`${file} has no place for '${name}'`)
    page = `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`
  }
  await writeFile(file, page)
}
