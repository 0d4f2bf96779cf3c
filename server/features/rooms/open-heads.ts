import { streamOf } from '../../pipeline/log/record.ts'
import type { Head } from '../../pipeline/store/heads.ts'
import { createSharedReads } from '../../pipeline/store/shared-reads.ts'

export interface OpenHeadsDeps {
  openOf(principal_id: string): Promise<string[]>
  headsOf(streams: string[]): Promise<ReadonlyMap<string, Head>>
}

/** How far each open contract of a principal has come; a log that nobody has written yet is at 0. Who asks at once, on many connections, shares it. */
export function createOpenHeads({ openOf, headsOf }: OpenHeadsDeps) {
  async function read(principal_id: string): Promise<({ contract_id: string } & Head)[]> {
    const ids = await openOf(principal_id)
    const found = await headsOf(ids.map(streamOf))
    return ids.map((contract_id) => ({ contract_id, ...(found.get(streamOf(contract_id)) ?? { seq: 0, chain: '' }) }))
  }

  return createSharedReads({ nameOf: (principal_id: string) => principal_id, read })
}
