import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { documentText, protocolDocument } from '../../scripts/schema.ts'
import {
  afterClose,
  closeCodes,
  defaultLimits,
  errors,
  eventTypes,
  frameTypes,
  http,
  PROTOCOL,
  pushes,
} from '../../shared/protocol/index.ts'
import { schemaDocument, schemaValidator } from './schema-validator.ts'

const script = new URL('../../scripts/schema.ts', import.meta.url).pathname

function runScript(...args: string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  return { status, stderr: stderr.trim() }
}

describe('shared/schema.json', () => {
  it('[PROTO-4] is what scripts/schema.ts makes, twice the same', () => {
    expect(protocolDocument()).to.deep.equal(schemaDocument)
    expect(documentText()).to.equal(documentText())
    expect(runScript('--check')).to.deep.equal({ status: 0, stderr: '' })
  })

  it('[PROTO-4] a stale or missing file fails the check with the way to mend it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'parley-schema-'))
    try {
      const file = join(folder, 'schema.json')
      const stale = { status: 1, stderr: 'shared/schema.json is stale: run npm run schema' }
      expect(runScript('--check', file)).to.deep.equal(stale)
      expect(runScript(file)).to.deep.equal({ status: 0, stderr: '' })
      expect(runScript('--check', file)).to.deep.equal({ status: 0, stderr: '' })
      writeFileSync(file, readFileSync(file, 'utf8').replace('"message.posted"', '"message.sent"'))
      expect(runScript('--check', file)).to.deep.equal(stale)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('[PROTO-4] every definition compiles as JSON Schema 2020-12', () => {
    for (const name of Object.keys(schemaDocument.$defs)) expect(schemaValidator(name), name).to.be.a('function')
  })

  it('[PROTO-5] names every frame, acknowledgement, event, push and route', () => {
    const sides = Object.entries(http).flatMap(([route, schemas]) =>
      ['query', 'body', 'answer'].filter((side) => side in schemas).map((side) => `${route} ${side}`),
    )
    const expected = [
      ...frameTypes.flatMap((type) => [`frame.${type}`, `ack.${type}`]),
      ...eventTypes.map((type) => `event.${type}`),
      ...Object.keys(pushes).map((type) => `push.${type}`),
      ...sides.map((side) => `http.${side.toLowerCase().replaceAll(/[ /:]+/g, '.')}`),
    ]
    expect(expected.filter((name) => !(name in schemaDocument.$defs))).to.deep.equal([])
  })

  it('[PROTO-5] carries the plain constants, so that no client copies them by hand', () => {
    const { protocol, errors: rows, default_limits, close_codes } = schemaDocument['x-parley']
    expect({ protocol, rows, default_limits }).to.deep.equal({ protocol: PROTOCOL, rows: errors, default_limits: defaultLimits })
    expect(Object.keys(close_codes as object)).to.deep.equal(Object.keys(closeCodes))
  })
})

describe('close codes', () => {
  it('[PROTO-6] the range of a code tells a client what to do, even for a code it does not know', () => {
    const rows = { 4000: 'reconnect', 4199: 'reconnect', 4400: 'new-credentials', 4499: 'new-credentials', 4500: 'final', 4599: 'final' }
    expect(Object.fromEntries(Object.keys(rows).map((code) => [code, afterClose(Number(code))]))).to.deep.equal(rows)
  })

  it('[PROTO-6] every code stands in one of the three ranges, and none twice', () => {
    const codes = Object.values(closeCodes)
    expect(codes.filter((code) => !/^4(0|1|4|5)\d\d$/.test(String(code)))).to.deep.equal([])
    expect(new Set(codes).size).to.equal(codes.length)
  })
})

describe('limits', () => {
  it('[PROTO-8] the defaults are those that docs and clients rely on', () => {
    expect(defaultLimits).to.include({
      frame_bytes: 256 * 1024,
      frames_per_s: 100,
      frames_burst: 200,
      bytes_per_s: 1024 * 1024,
      heartbeat_ms: 15_000,
      unhealthy_after_ms: 45_000,
      call_timeout_ms: 120_000,
      cancel_deadline_ms: 2_000,
      abandon_after_ms: 45_000,
      page_events: 500,
      page_bytes: 128 * 1024,
    })
    expect(schemaValidator('Limits')(defaultLimits)).to.equal(true)
  })
})
