import { MongoRefusal } from '../errors.ts'
import { documentOf, type Node } from '../values/tree.ts'
import { TYPE, type Value } from '../values/value.ts'

/** A document of fields that are BSON already; a missing one is left out. */
export function documentWith(fields: [string, Node | undefined][]): Value {
  const present = fields.filter((field): field is [string, Node] => field[1] !== undefined)
  return documentOf({ kind: 'object', fields: new Map(present) })
}

export function documentArgument(argument: Value, stage: string): Value {
  if (argument.type !== TYPE.object) throw new MongoRefusal(2, `the ${stage} stage needs an object`)
  return argument
}
