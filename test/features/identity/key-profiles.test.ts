import { expect } from 'chai'
import { connectAs, type Person } from '../../harness/people.ts'
import { codeOf } from '../../scenarios/stage.ts'
import { type KeysStage, setKeysStage } from './keys-stage.ts'

const profile = {
  ...{ allowed_tools: ['cite'], allowed_agents: [], allowed_skills: ['pdf:read'], max_concurrent_tasks: 2, max_cpu_cores: 0.5 },
  ...{ max_memory_gb: 1.5, max_execution_seconds: 60, max_cost_per_task: 0.1, network_access: false, filesystem_access: 'readonly' },
}

describe('profiles of keys', () => {
  let stage: KeysStage
  let agent: Person

  before(async () => {
    stage = await setKeysStage()
  })
  beforeEach(async () => {
    agent = await stage.newAgent()
  })
  after(() => stage.close())

  const path = () => `/agents/${agent.id}/keys`
  const listed = async (key_id: string) => {
    const { body } = await stage.ask<{ items: { key_id: string; profile?: object }[] }>('GET', path(), agent)
    return body.items.find((item) => item.key_id === key_id)?.profile
  }

  it('[PROF-1] a key is issued with a profile, shows it, and hands it to the one that replaces it; other keys have none', async () => {
    const key = await stage.issue(agent, { profile })
    const rotated = await stage.rotate(agent, key.key_id, { grace_period_s: 60 })
    for (const one of [key, rotated]) {
      expect(one).to.deep.include({ profile })
      expect(await listed(one.key_id)).to.deep.equal(profile)
    }
    expect(await listed(await stage.firstKeyOf(agent))).to.equal(undefined)
    const trail = await stage.ask<{ items: { subject: { id: string }; metadata: object }[] }>('GET', '/audit?type=key.created', stage.admin)
    expect(trail.body.items.find(({ subject }) => subject.id === key.key_id)?.metadata).to.deep.include({ profile })
    expect((await stage.ask('PATCH', `${path()}/${key.key_id}`, stage.admin, { profile: {} })).status).to.equal(405)
  })

  it('[PROF-1] each field is checked and bounded, and a fault is pointed at', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, at) => `tool-${at}`)
    for (const [given, pointer] of [
      [{ allowed_tools: 'cite' }, '/allowed_tools'],
      [{ allowed_tools: ['cite', 'two words'] }, '/allowed_tools/1'],
      [{ allowed_tools: many(129) }, '/allowed_tools'],
      [{ allowed_agents: ['scribe'] }, '/allowed_agents/0'],
      [{ allowed_skills: [''] }, '/allowed_skills/0'],
      [{ allowed_skills: many(101) }, '/allowed_skills'],
      [{ max_concurrent_tasks: 0 }, '/max_concurrent_tasks'],
      [{ max_concurrent_tasks: 1.5 }, '/max_concurrent_tasks'],
      [{ max_cpu_cores: 0 }, '/max_cpu_cores'],
      [{ max_memory_gb: 1e9 }, '/max_memory_gb'],
      [{ max_execution_seconds: 86_401 }, '/max_execution_seconds'],
      [{ max_cost_per_task: -1 }, '/max_cost_per_task'],
      [{ network_access: 'yes' }, '/network_access'],
      [{ filesystem_access: 'write' }, '/filesystem_access'],
      [{ max_gpu: 1 }, '/max_gpu'],
      [{ max_cpu_cores: null }, '/max_cpu_cores'],
      [null, ''],
      [[], ''],
    ] as const) {
      const refused = await stage.ask<{ code: string; errors: { pointer: string }[] }>('POST', path(), agent, { profile: given })
      const found = [refused.status, refused.body.code, refused.body.errors[0]?.pointer]
      expect(found, JSON.stringify(given)).to.deep.equal([400, 'REQUEST_INVALID', `/profile${pointer}`])
    }
  })

  it('[PROF-2] a key hands on no more than its profile allows: neither by issuing, nor by rotating another one', async () => {
    const narrow = { bearer: (await stage.issue(agent, { profile })).api_key }
    const ask = (body: object) => stage.ask<{ code: string; facts: { rule: string } }>('POST', path(), narrow, body)
    for (const wider of [{ allowed_tools: ['cite', 'write'] }, { max_concurrent_tasks: 3 }, { network_access: true }]) {
      const { status, body } = await ask({ profile: wider })
      expect([status, body.code, body.facts.rule]).to.deep.equal([403, 'PROFILE_VIOLATED', Object.keys(wider)[0]])
    }
    expect((await stage.issue(agent, {}, narrow)).profile, 'without a wish, what the key in hand has').to.deep.equal(profile)
    const narrower = await stage.issue(agent, { profile: { max_concurrent_tasks: 1 } }, narrow)
    expect(narrower.profile).to.deep.equal({ ...profile, max_concurrent_tasks: 1 })
    const first = await stage.firstKeyOf(agent)
    const refused = await stage.ask<{ code: string }>('POST', `${path()}/${first}/rotations`, narrow, { grace_period_s: 0 })
    expect([refused.status, refused.body.code]).to.deep.equal([403, 'PROFILE_VIOLATED'])
    expect(await stage.tried({ api_key: agent.bearer }), 'the wider key goes on').to.equal(200)
    const self = await stage.rotate(agent, narrower.key_id, { grace_period_s: 0 }, narrow)
    expect(self.profile).to.deep.equal(narrower.profile)
  })

  it('[PROF-2] a connection is renewed by a key that allows as much, and not by one that allows less', async () => {
    const [wide, narrow] = [await stage.issue(agent, { profile: { max_concurrent_tasks: 5 } }), await stage.issue(agent, { profile })]
    const client = await connectAs(stage.hub, { auth: { key: wide.api_key } })
    const refused = await client.ask('auth.refresh', { key: narrow.api_key })
    expect(codeOf(refused)).to.equal('PROFILE_VIOLATED')
    await client.must('auth.refresh', { key: agent.bearer })
    client.close()
  })
})
