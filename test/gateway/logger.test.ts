import { expect } from 'chai'
import { createLogger } from '../../server/gateway/logger.ts'

describe('the hub’s own log', () => {
  const lines: string[] = []
  const log = createLogger({ level: 'info', destination: { write: (line) => void lines.push(line) } })
  const lastLine = () => JSON.parse(lines.at(-1) ?? '')

  it('[OPS-4] a line is one JSON object: when, how grave, what, whose', () => {
    log('info', 'hub.listening', { correlation_id: 'c1', agent_id: 'a1', port: 4000 })
    const { timestamp, ...line } = lastLine()
    expect(new Date(timestamp).toISOString()).to.equal(timestamp)
    expect(line).to.deep.equal({
      ...{ level: 'info', event: 'hub.listening', correlation_id: 'c1', agent_id: 'a1' },
      details: { port: 4000 },
    })
    log('debug', 'below the level')
    expect(lines).to.have.lengthOf(1)
  })

  it('[OPS-4] an error is told with its cause, and what is no error as it is', () => {
    log('error', 'trouble', { error: new TypeError('outer', { cause: new Error('inner') }) })
    expect(lastLine().error).to.include({ name: 'TypeError', message: 'outer' }).and.to.have.property('stack')
    expect(lastLine().error.cause).to.include({ name: 'Error', message: 'inner' })
    log('error', 'trouble', { error: { pid: 12, attempts: 3 } })
    expect(lastLine().error).to.deep.equal({ pid: 12, attempts: 3 })
    log('error', 'trouble', { error: 'a word' })
    expect(lastLine().error).to.equal('a word')
  })

  it('[OPS-4] credentials are cut out of it, by the name of their field and by their look', () => {
    const secret = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw'
    log('warn', 'odd', { password: 'p4ss', request: { cookie: 'c00kie' }, error: new Error(`at /x?t=${secret}`) })
    expect(lines.at(-1)).not.to.match(/p4ss|c00kie|c2lnbmF0dXJl/)
    expect(lastLine().details).to.deep.equal({ password: '[redacted]', request: { cookie: '[redacted]' } })
  })
})
