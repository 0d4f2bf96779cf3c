import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Transcript, verifyTranscript } from '../../scripts/lib/verify/verify-transcript.ts'
import { canonicalJson } from '../../shared/rules/canonical-json.ts'
import { readVectors } from './read-vectors.ts'

interface Link {
  event: { seq: number; type: string; data: object }
  canonical: string
  digest: string
  chain: string
}

const { contract_id, chain0, events: links } = readVectors<{ contract_id: string; chain0: string; events: Link[] }>('chain')
const head = links.length
const chain = links.at(-1)?.chain ?? ''
const stub = ({ event: { seq }, digest, chain }: Link) => ({ seq, type: 'redacted', digest, chain })
/** The export that a requester gets: the staff note, seq 3, as a stub. */
const exported = () => links.map((link) => (link.event.seq === 3 ? stub(link) : { ...structuredClone(link.event), chain: link.chain }))
const sha256 = (...parts: (string | Buffer)[]) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()

/** The finding after `change` had its way with the exported events. */
function findingAfter(change: (events: Record<string, unknown>[]) => unknown): ReturnType<typeof verifyTranscript> {
  const events: Record<string, unknown>[] = exported()
  return verifyTranscript({ contract_id, events: (change(events) as unknown[] | undefined) ?? events })
}

function runScript(transcript: Transcript | string, ...args: string[]): { status: number | null; out: string } {
  const folder = mkdtempSync(join(tmpdir(), 'parley-verify-'))
  try {
    const file = join(folder, 'transcript.json')
    writeFileSync(file, typeof transcript === 'string' ? transcript : JSON.stringify(transcript))
    const script = new URL('../../scripts/verify.ts', import.meta.url).pathname
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, file, ...args], { encoding: 'utf8' })
    return { status, out: `${stdout}${stderr}`.trim() }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('the chain of a log', () => {
  it('[VEC-5] begins with the hash of the contract', () => {
    expect(sha256(`contract:${contract_id}`).toString('hex')).to.equal(chain0)
  })

  it('[VEC-5] is the hash of canonical events, each bound to the one before', () => {
    let last = Buffer.from(chain0, 'hex')
    const computed = links.map(({ event }) => {
      const canonical = canonicalJson(event)
      const digest = sha256(canonical)
      last = sha256(last, digest)
      return { event, canonical, digest: digest.toString('hex'), chain: last.toString('hex') }
    })
    expect(computed).to.deep.equal(links)
  })
})

describe('scripts/verify', () => {
  it('[RULE-11] finds an export sound, whichever of its events are stubs, and says its head', () => {
    expect(findingAfter(() => undefined)).to.deep.equal({ ok: true, head, chain })
    expect(verifyTranscript({ contract_id, events: links.map(stub) })).to.deep.equal({ ok: true, head, chain })
    expect(runScript({ contract_id, events: exported() })).to.deep.equal({ status: 0, out: `ok, head ${head}, chain ${chain}` })
    expect(verifyTranscript({ contract_id, events: [] })).to.deep.equal({ ok: true, head: 0, chain: chain0 })
  })

  it('[RULE-11] neither the order of members nor a digest beside the event changes the verdict', () => {
    const finding = findingAfter((events) =>
      events.map((event) => Object.fromEntries(Object.entries({ ...event, digest: event['digest'] ?? 'x' }).toReversed())),
    )
    expect(finding).to.deep.equal({ ok: true, head, chain })
  })

  const tampered: [name: string, seq: number, change: (events: Record<string, unknown>[]) => unknown][] = [
    ['a changed body', 2, (events) => Object.assign(events[1] ?? {}, { data: { body: 'Hello', visibility: 'all' } })],
    ['another author', 4, (events) => Object.assign(events[3] ?? {}, { by: { kind: 'user', id: contract_id } })],
    ['another moment', 5, (events) => Object.assign(events[4] ?? {}, { at: '2026-11-20T12:00:04.445Z' })],
    ['a member added', 6, (events) => Object.assign(events[5] ?? {}, { edited: true })],
    ['a salt taken away', 7, (events) => delete events[6]?.['salt']],
    ['a changed chain', 1, (events) => Object.assign(events[0] ?? {}, { chain: chain0 })],
    ['a stub with another digest', 3, (events) => Object.assign(events[2] ?? {}, { digest: chain0 })],
    ['a stub without a digest', 3, (events) => delete events[2]?.['digest']],
    ['an event made a stub that it was not', 2, (events) => Object.assign(events[1] ?? {}, { type: 'redacted', digest: chain0 })],
    ['a value that JSON does not have', 2, (events) => Object.assign(events[1] ?? {}, { data: { body: '\ud800' } })],
    ['a hole', 4, (events) => events.toSpliced(3, 1)],
    ['a missing beginning', 1, (events) => events.slice(1)],
    ['an event twice', 3, (events) => events.toSpliced(1, 0, events[1] ?? {})],
    ['two events swapped', 2, (events) => [events[0], events[2], events[1]]],
    ['something that is no event', 2, (events) => [events[0], null]],
  ]
  for (const [name, seq, change] of tampered) {
    it(`[RULE-12] finds ${name} at its seq`, () => {
      // What a change gives back counts only when it is a list of events.
      const finding = findingAfter((events) => {
        const changed = change(events)
        return Array.isArray(changed) ? changed : undefined
      })
      expect(finding).to.include({ ok: false, seq })
    })
  }

  it('[RULE-12] finds the transcript of another contract, or one made anew, by what it was promised', () => {
    expect(verifyTranscript({ contract_id: contract_id.replace('c1', 'c2'), events: exported() })).to.include({ ok: false, seq: 1 })
    const anew = {
      seq: 1,
      type: 'redacted',
      digest: chain0,
      chain: sha256(Buffer.from(chain0, 'hex'), Buffer.from(chain0, 'hex')).toString('hex'),
    }
    expect(verifyTranscript({ contract_id, events: [anew] })).to.include({ ok: true, head: 1 })
    expect(verifyTranscript({ contract_id, events: [anew] }, { head: 1, chain: links[0]?.chain ?? '' })).to.include({ ok: false, seq: 1 })
  })

  it('[RULE-12] the script names the bad seq and exits 1', () => {
    const { status, out } = runScript({ contract_id, events: exported().toSpliced(3, 1) })
    expect({ status, out }).to.deep.equal({ status: 1, out: 'bad at seq 4: missing, the transcript goes on at 5' })
  })

  it('[RULE-13] a transcript that ends before a known head is found, one that goes on past it is sound', () => {
    const place = ['--head', String(head), '--chain', chain]
    expect(runScript({ contract_id, events: exported() }, ...place).status).to.equal(0)
    const cut = runScript({ contract_id, events: exported().slice(0, -1) }, ...place)
    expect(cut).to.deep.equal({
      status: 1,
      out: `bad at seq ${head}: the transcript ends at ${head - 1}, the checkpoint stands at ${head}`,
    })
    expect(verifyTranscript({ contract_id, events: exported() }, { head: 2, chain: links[1]?.chain ?? '' })).to.include({ ok: true, head })
    expect(verifyTranscript({ contract_id, events: exported() }, { head: 2, chain })).to.include({ ok: false, seq: 2 })
    expect(verifyTranscript({ contract_id, events: exported() }, { head: 0, chain })).to.include({ ok: false, seq: 0 })
  })

  it('[RULE-13] what it cannot read is no verdict: exit 2 and a sentence, no stack', () => {
    const runs = [runScript('{'), runScript('{"events":[]}'), runScript({ contract_id, events: [] }, '--head', '1')]
    expect(runs.map(({ status }) => status)).to.deep.equal([2, 2, 2])
    for (const { out } of runs)
      expect(out)
        .to.match(/\S/)
        .and.not.match(/\n {4}at /)
  })
})
