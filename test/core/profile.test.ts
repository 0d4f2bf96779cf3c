import { expect } from 'chai'
import type { Principal } from '../../server/core/access/principal.ts'
import { type Demand, requireProfile, requireWithin } from '../../server/core/access/profile.ts'
import { ParleyError, type Profile, type ProfileRule, profileRules } from '../../shared/protocol/index.ts'

/** For each rule a bound, the most that is within it, and what goes just over it. */
const cases: { [R in ProfileRule]: { bound: NonNullable<Profile[R]>; within: Demand; over: Demand } } = {
  allowed_tools: { bound: ['cite', 'find'], within: { tools: ['find', 'cite'] }, over: { tools: ['cite', 'write'] } },
  allowed_agents: { bound: ['a'], within: { agents: ['a'] }, over: { agents: ['b'] } },
  allowed_skills: { bound: [], within: { skills: [] }, over: { skills: ['sum'] } },
  max_concurrent_tasks: { bound: 2, within: { concurrent_tasks: 2 }, over: { concurrent_tasks: 3 } },
  max_cpu_cores: { bound: 0.5, within: { cpu_cores: 0.5 }, over: { cpu_cores: 0.51 } },
  max_memory_gb: { bound: 4, within: { memory_gb: 4 }, over: { memory_gb: 4.1 } },
  max_execution_seconds: { bound: 60, within: { execution_seconds: 60 }, over: { execution_seconds: 61 } },
  max_cost_per_task: { bound: 0, within: { cost: 0 }, over: { cost: 0.01 } },
  network_access: { bound: false, within: { network: false }, over: { network: true } },
  filesystem_access: { bound: 'readonly', within: { filesystem: 'readonly' }, over: { filesystem: 'readwrite' } },
}

const keyWith = (profile: Profile): Principal => ({
  ...{ kind: 'agent', id: 'agent', name: 'Scribe', roles: [], owns: [] },
  credential: { kind: 'key', id: 'key', scopes: ['*'], profile },
})

/** The rule that refused it; undefined when nothing did. */
function refusedBy(run: () => void): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    if (!(error instanceof ParleyError) || error.code !== 'PROFILE_VIOLATED') throw error
    expect(error.facts.detail).to.be.a('string')
    return error.facts['rule']
  }
}

describe('profiles', () => {
  it('[PROF-8] each rule lets through what is within its bound and refuses what is over it, and no rule minds what another bounds', () => {
    const everything: Demand = Object.assign({}, ...Object.values(cases).map(({ over }) => over))
    for (const rule of profileRules) {
      const { bound, within, over } = cases[rule]
      const bounded = keyWith({ [rule]: bound })
      const others = { ...everything, ...Object.fromEntries(Object.keys(over).map((name) => [name, undefined])) } as Demand
      expect(refusedBy(() => requireProfile(bounded, { ...others, ...within }))).to.equal(undefined)
      expect(refusedBy(() => requireProfile(bounded, over))).to.equal(rule)
      expect(
        refusedBy(() => requireProfile(bounded, {})),
        `${rule}, of nothing`,
      ).to.equal(undefined)
      expect(
        refusedBy(() => requireProfile(keyWith({}), everything)),
        'nothing is bound',
      ).to.equal(undefined)
    }
  })

  it('[PROF-2] a profile is within another where it bounds all that the other one does, as much or more', () => {
    const whole = Object.fromEntries(profileRules.map((rule) => [rule, cases[rule].bound])) as Profile
    expect(refusedBy(() => requireWithin(whole, whole))).to.equal(undefined)
    expect(refusedBy(() => requireWithin(undefined, {}))).to.equal(undefined)
    expect(refusedBy(() => requireWithin({}, whole))).to.equal(undefined)
    const wider: Required<Profile> = {
      ...{ allowed_tools: ['cite', 'write'], allowed_agents: ['a', 'b'], allowed_skills: ['sum'], max_concurrent_tasks: 3 },
      ...{ max_cpu_cores: 1, max_memory_gb: 5, max_execution_seconds: 61, max_cost_per_task: 1, network_access: true },
      filesystem_access: 'readwrite',
    }
    for (const rule of profileRules) {
      const { [rule]: _left, ...without } = whole
      expect(
        refusedBy(() => requireWithin(whole, without)),
        `${rule} is left out`,
      ).to.equal(rule)
      expect(
        refusedBy(() => requireWithin(whole, { ...whole, [rule]: wider[rule] })),
        `${rule} is wider`,
      ).to.equal(rule)
    }
  })
})
