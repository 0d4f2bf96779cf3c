import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { freePort, type HubProcess, startHubProcess } from '../harness/processes/hub-process.ts'
import { createProtocolClient, type ProtocolClient } from './wire.ts'

export interface ConformanceStage {
  hub: HubProcess
  client: ProtocolClient
}

/** For one `describe`: a hub as a process in the mode for protocol suites, and a client whose connections end with each test. */
export function useConformanceHub(): ConformanceStage {
  // Filled before the first test runs.
  const stage = {} as ConformanceStage
  before(async () => {
    const data_dir = await mkdtemp(join(tmpdir(), 'parley-conformance-'))
    stage.hub = await startHubProcess({ data_dir, port: await freePort(), env: { PARLEY_CONFORMANCE: '1' } })
    stage.client = createProtocolClient(stage.hub.url)
  })
  afterEach(() => stage.client.closeAll())
  after(async () => {
    expect(await stage.hub.stop()).to.equal(0)
    await rm(stage.hub.data_dir, { recursive: true })
  })
  return stage
}
