import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect } from 'chai'
import { startHub, type TestHub } from '../harness/hub.ts'
import { api, type Client, openContract, type Person, signUp } from '../harness/people.ts'
import { freePort } from '../harness/processes/hub-process.ts'
import { answerTo, ask, callTool, countAnswers, endAllDesks, logOf, newFolder, operatorOf, sitDown, startDesk } from './desk-process.ts'

const word = (): string => `q${randomBytes(5).toString('hex')}`
const numbered = (count: number): string => Array.from({ length: count }, (_, index) => `Line ${index + 1} of the manual.`).join('\n')

describe('docs-desk', () => {
  let hub: TestHub
  let folder: string
  let data_dir: string
  let contract_id: string
  let desk: ReturnType<typeof startDesk>
  let human: Client

  before(async () => {
    hub = await startHub()
    folder = await newFolder()
    data_dir = await newFolder()
    await mkdir(join(folder, 'guide'))
    await writeFile(join(folder, 'guide/manual.txt'), `${numbered(95)}\n`)
    await writeFile(
      join(folder, 'guide/tea.md'),
      '# Tea\n\nGreen tea wants water\nat 80 degrees. Black tea wants it boiling.\n\n- Steep oolong twice.\n',
    )
    desk = startDesk(hub, { data_dir, folder, env: { DOCS_DESK_QUESTION: 'How hot does green tea want its water?' } })
    contract_id = await desk.ready
    human = await sitDown(hub, contract_id)
  })

  after(async () => {
    human?.close()
    await endAllDesks()
    await hub?.close()
    for (const path of [folder, data_dir]) if (path !== undefined) await rm(path, { recursive: true, force: true })
  })

  it('[DESK-1] cites file and line of a sentence that was written a moment before', async () => {
    const [first, second] = [word(), word()]
    const before = '# Notes\n\nSome words to begin with.\n\n'
    await writeFile(join(folder, 'guide/fresh.md'), `${before}The keeper of ${first} counts ${second} lanterns every night.\n`)
    const seq = await ask(human, contract_id, `Who counts the lanterns of ${first}?`)
    expect((await answerTo(human, contract_id, seq)).body).to.equal(
      `The keeper of ${first} counts ${second} lanterns every night. [guide/fresh.md:5]`,
    )

    // Changed at once, with the same length, within the same tick of many file systems' clocks.
    const third = word()
    await writeFile(join(folder, 'guide/fresh.md'), `${before}The keeper of ${first} counts ${third} lanterns every night.\n`)
    const { output } = await callTool(human, contract_id, 'answer', { question: `${first} ${third}` })
    const sentence = `The keeper of ${first} counts ${third} lanterns every night.`
    expect(output).to.deep.equal({
      answer: `${sentence} [guide/fresh.md:5]`,
      citations: [{ file: 'guide/fresh.md', line: 5, text: sentence }],
      source: 'files',
    })

    await rm(join(folder, 'guide/fresh.md'))
    const gone = await callTool(human, contract_id, 'answer', { question: `${first} ${third}` })
    expect(gone.output).to.have.property('citations').that.deep.equals([])
  })

  it('[DESK-2] search gives the best passages with their places', async () => {
    const { output } = await callTool(human, contract_id, 'search', { query: 'black tea boiling water', limit: 1 })
    const { hits } = output as { hits: Record<string, unknown>[] }
    const { score, ...hit } = hits[0] ?? {}
    expect(score).to.be.greaterThan(0)
    expect([hits.length, hit]).to.deep.equal([
      1,
      { file: 'guide/tea.md', first_line: 3, last_line: 4, text: 'Green tea wants water\nat 80 degrees. Black tea wants it boiling.' },
    ])
    expect((await callTool(human, contract_id, 'search', { query: word() })).output).to.deep.equal({ hits: [] })
    expect((await callTool(human, contract_id, 'search', { query: '' })).error?.code).to.equal('TOOL_INPUT_INVALID')
  })

  it('[DESK-3] read streams a passage in order and says what it gave', async () => {
    const { output, chunks } = await callTool(human, contract_id, 'read', { file: 'guide/manual.txt', from_line: 3, to_line: 90 })
    expect(output).to.deep.equal({ file: 'guide/manual.txt', from_line: 3, to_line: 90, lines: 95 })
    expect(chunks.map(({ seq }) => seq)).to.deep.equal([1, 2, 3, 4, 5])
    expect(chunks.map(({ chunk }) => chunk).join('')).to.equal(`${numbered(90).split('\n').slice(2).join('\n')}\n`)
    const beyond = await callTool(human, contract_id, 'read', { file: 'guide/manual.txt', from_line: 96 })
    expect(beyond.error?.message).to.equal('"guide/manual.txt" has 95 lines.')
  })

  it('[DESK-4] read refuses what is outside of the folder, hidden, linked, too large or no text', async () => {
    await writeFile(join(data_dir, 'outside.txt'), 'secret')
    await symlink(join(data_dir, 'outside.txt'), join(folder, 'link.txt'))
    await symlink(data_dir, join(folder, 'linked'))
    await writeFile(join(folder, '.env'), 'SECRET=1')
    await writeFile(join(folder, 'image.png'), Buffer.from([0x89, 0x50, 0, 1]))
    await writeFile(join(folder, 'latin.txt'), Buffer.from([0x66, 0xfc, 0x72]))
    await writeFile(join(folder, 'huge.txt'), Buffer.alloc(1_048_577, 'a'))
    const refusals = {
      '../outside.txt': 'leads out of the folder',
      'guide/../../outside.txt': 'leads out of the folder',
      [join(data_dir, 'outside.txt')]: 'is not a name inside the folder',
      '..\\outside.txt': 'is not a name inside the folder',
      'C:/outside.txt': 'is not a name inside the folder',
      'guide/manual.txt\0.png': 'is not the name of a file',
      'link.txt': 'symbolic link',
      'linked/outside.txt': 'symbolic link',
      '.env': 'is not among the files',
      'image.png': 'is not a text file',
      'latin.txt': 'is not text in UTF-8',
      'huge.txt': '1048576 are the most',
      guide: 'is not a file',
      'guide/none.md': 'There is no file',
    }
    for (const [file, reason] of Object.entries(refusals)) {
      const { end, error, chunks } = await callTool(human, contract_id, 'read', { file })
      expect([end.type, error?.message, chunks], file).to.deep.equal(['call.failed', error?.message, []])
      expect(error?.message, file).to.include(reason)
      expect(error?.message, file).not.to.include(folder)
    }
    expect((await callTool(human, contract_id, 'search', { query: 'secret' })).output).to.deep.equal({ hits: [] })
  })

  it('[DESK-5] questions are answered one by one, in order; notes and what agents say are not', async () => {
    const note = await human.must('message.post', { contract_id, key: word(), body: 'Is oolong steeped twice?', visibility: 'staff' })
    const seqs = [await ask(human, contract_id, 'How often is oolong steeped?'), await ask(human, contract_id, 'Is black tea boiling?')]
    seqs.push(await ask(human, contract_id, `Where is ${word()}?`))
    const bodies = []
    for (const seq of seqs) bodies.push((await answerTo(human, contract_id, seq)).body)
    expect(bodies).to.deep.equal([
      'Steep oolong twice. [guide/tea.md:6]',
      'Black tea wants it boiling. [guide/tea.md:4]',
      'I found nothing about that in the files.',
    ])
    const events = await logOf(hub, contract_id)
    const { answers, odd_calls } = countAnswers(events)
    expect(answers[note.seq]).to.equal(0)
    expect([seqs.map((seq) => answers[seq]), odd_calls]).to.deep.equal([[1, 1, 1], []])
    const own = events.filter(
      (event) =>
        'key' in event && event.by.kind === 'agent' && seqs.some((seq) => event.key.endsWith(`:${seq}`) || event.key.includes(`:${seq}:`)),
    )
    expect(own.map(({ type }) => type)).to.deep.equal(seqs.flatMap(() => ['call.requested', 'message.posted']))
  })

  it('[DESK-6] its key is for its owner only, and a second start takes up agent, contract and place', async () => {
    const path = join(data_dir, 'docs-desk.json')
    expect((await stat(path)).mode & 0o777).to.equal(0o600)
    const { agent } = JSON.parse(await readFile(path, 'utf8'))
    expect(await desk.kill('SIGTERM')).to.deep.equal({ code: 0, signal: null })
    const missed = await ask(human, contract_id, 'How often is oolong steeped, please?')
    desk = startDesk(hub, { data_dir, folder, env: { DOCS_DESK_QUESTION: 'Another first question?' } })
    expect(await desk.ready).to.equal(contract_id)
    expect((await answerTo(human, contract_id, missed)).body).to.equal('Steep oolong twice. [guide/tea.md:6]')
    expect(JSON.parse(await readFile(path, 'utf8')).agent).to.deep.equal(agent)
    const events = await logOf(hub, contract_id)
    expect(events.filter((event) => 'key' in event && event.key === 'docs-desk:first-question')).to.have.length(1)
    expect(Object.values(countAnswers(events).answers).filter((times) => times > 1)).to.deep.equal([])
  })

  it('[DESK-7] it serves every contract that it has, and a conversation ends with its contract', async () => {
    const { agent } = JSON.parse(await readFile(join(data_dir, 'docs-desk.json'), 'utf8'))
    const requester = await signUp(hub)
    const provider: Person = { id: agent.agent_id, auth: { key: agent.api_key }, bearer: agent.api_key }
    const other = await openContract(hub, { requester, provider })
    const client = await sitDown(hub, other.contract_id, requester)
    const seq = await ask(client, other.contract_id, 'How often is oolong steeped?')
    expect((await answerTo(client, other.contract_id, seq)).body).to.equal('Steep oolong twice. [guide/tea.md:6]')
    await client.next('presence', ({ joined }) => joined?.some(({ id }) => id === requester.id) ?? false)
    await client.must('contract.end', { contract_id: other.contract_id, key: 'end', outcome: 'done' })
    await client.next('presence', ({ left }) => left?.includes(agent.agent_id) ?? false)
    const still = await ask(human, contract_id, 'And how often is oolong steeped?')
    await answerTo(human, contract_id, still)
    client.close()
  })

  it('[DESK-8] a contract that ended and a hub that does not know it make it begin anew, and it says so', async function () {
    this.timeout(120_000)
    await human.must('contract.end', { contract_id, key: 'end', outcome: 'done' })
    await desk.kill('SIGTERM')
    desk = startDesk(hub, { data_dir, folder })
    expect(await desk.ready).not.to.equal(contract_id)
    expect(desk.log.map(({ message }) => message)).to.include('The contract of before is gone or has ended; opening a new one')
    await desk.kill('SIGTERM')

    const stranger = await startHub()
    desk = startDesk(stranger, { data_dir, folder })
    const fresh = await desk.ready
    expect(desk.log.map(({ message }) => message)).to.include('The hub does not know this agent (another database?); registering a new one')
    expect((await logOf(stranger, fresh)).map(({ type }) => type)).to.include('call.succeeded')
    await desk.kill('SIGTERM')
    await stranger.close()
  })

  it('[DESK-9] it waits for a hub that is not there yet, and ends at once when asked to', async () => {
    const port = await freePort()
    const settings = { data_dir: await newFolder(), folder }
    desk = startDesk({ ...operatorOf(hub), url: `http://127.0.0.1:${port}`, operator_token: hub.operator_token }, settings)
    // Whatever listens there now is no hub yet: the second knock proves that the desk keeps trying.
    const doorman = createServer((_, response) => void response.writeHead(503).end()).listen(port, '127.0.0.1')
    await once(doorman, 'request')
    await once(doorman, 'request')
    expect(await desk.kill('SIGTERM')).to.deep.equal({ code: 0, signal: null })
    doorman.closeAllConnections()
    doorman.close()
    const wrong = startDesk(hub, { data_dir: settings.data_dir, folder: join(folder, 'none') })
    expect(await wrong.ended).to.deep.equal({ code: 1, signal: null })
    expect(wrong.log.at(-1)).to.have.nested.property('details.detail').that.includes('Set DOCS_DESK_FOLDER')
    expect((await api(hub, 'GET', '/readyz')).status).to.equal(200)
    await rm(settings.data_dir, { recursive: true })
  })
})
