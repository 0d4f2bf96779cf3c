import { MongoRefusal } from '../errors.ts'
import { decode } from '../storage/duplicate-key.ts'
import { closed, type Node, NULL, opened, type Tree } from '../values/tree.ts'

// MongoDB's own limit on how far past its end an array may be filled.
const MAX_PADDING = 1_500_000

/** One place in an opened document: reads, writes or removes there. `undefined` from `placeAt` means the way does not exist. */
export type Place = { get(): Node | undefined; set(node: Node): void; unset(): void }

/** `viable`: nothing is made, but a scalar in the way is refused; `skip`: it is passed over. */
type Missing = 'create' | 'viable' | 'skip'

/**
 * Finds the places a dotted path names, opening what lies on the way. `$[]` names every element, so one path may be many places.
 * With 'create' missing objects are made; a scalar in the way is refused as MongoDB does.
 */
export function placesAt(root: Tree, path: string, missing: Missing): Place[] {
  let trees: Tree[] = [root]
  const parts = path.split('.')
  for (const part of parts.slice(0, -1)) trees = trees.flatMap((tree) => stepInto(tree, part, { missing, path }))
  const last = parts.at(-1) ?? ''
  return trees.flatMap((tree) => lastPlaces(tree, last, { missing, path }))
}

type Way = { missing: Missing; path: string }

function lastPlaces(tree: Tree, part: string, way: Way): Place[] {
  if (part !== '$[]') return [place(tree, part, way)]
  if (tree.kind !== 'array') throw new MongoRefusal(2, `Cannot apply array updates to non-array element in the path '${way.path}'`)
  return tree.items.map((_, index) => place(tree, String(index), way))
}

function stepInto(tree: Tree, part: string, way: Way): Tree[] {
  return lastPlaces(tree, part, way).flatMap((here) => {
    const node = here.get()
    if (node === undefined) {
      if (way.missing !== 'create') return []
      const made: Tree = { kind: 'object', fields: new Map() }
      here.set(made)
      return [made]
    }
    const inner = opened(node)
    if (inner) {
      here.set(inner)
      return [inner]
    }
    if (way.missing === 'skip') return []
    throw notViable(part, node, way)
  })
}

function place(tree: Tree, part: string, way: Way): Place {
  if (tree.kind === 'array' && way.missing === 'viable' && !/^\d+$/.test(part)) throw notViable(part, tree, way)
  if (tree.kind === 'object') {
    const { fields } = tree
    return {
      get: () => fields.get(part),
      set: (node) => void fields.set(part, node),
      unset: () => void fields.delete(part),
    }
  }
  const { items } = tree
  const index = /^\d+$/.test(part) ? Number(part) : undefined
  return {
    get: () => (index === undefined ? undefined : items[index]),
    set: (node) => {
      if (index === undefined) throw notViable(part, tree, way)
      if (index - items.length > MAX_PADDING) throw new MongoRefusal(2, `array index ${index} in '${way.path}' is too far past the end`)
      while (items.length < index) items.push(NULL)
      items[index] = node
    },
    // An element is not taken out, its place stays: MongoDB leaves null.
    unset: () => {
      if (index !== undefined && index < items.length) items[index] = NULL
    },
  }
}

function notViable(part: string, node: Node, { path }: Way) {
  const shown = JSON.stringify(decode(closed(node)))
  return new MongoRefusal(28, `Cannot create field '${path.split('.').at(-1)}' in element {${part}: ${shown}} (path '${path}')`)
}
