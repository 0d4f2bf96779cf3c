import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { eventData } from '../../examples/docs-desk/answers/sse.ts'
import { passagesOf } from '../../examples/docs-desk/reading/passages.ts'
import { sentencesOf } from '../../examples/docs-desk/reading/sentences.ts'
import { startHub, type TestHub } from '../harness/hub.ts'
import type { Client } from '../harness/people.ts'
import { answerTo, ask, callTool, endAllDesks, newFolder, sitDown, startDesk } from './desk-process.ts'
import { DONE, delta, type ModelStandIn, openStream, sendByteByByte, startModel } from './model-stand-in.ts'

const SENTENCE = 'The keeper of the tower lights 40 lanterns.'
const FROM_FILES = `${SENTENCE} [tower.md:3]`
const CITATION = { file: 'tower.md', line: 3, text: SENTENCE }
const QUESTION = 'How many lanterns does the keeper light?'

describe('docs-desk with a model', () => {
  let hub: TestHub
  let model: ModelStandIn
  let folder: string
  let data_dir: string
  let contract_id: string
  let human: Client
  const api_key = `sk-${randomBytes(8).toString('hex')}`
  let desk: ReturnType<typeof startDesk>

  before(async () => {
    hub = await startHub()
    model = await startModel()
    folder = await newFolder()
    data_dir = await newFolder()
    await writeFile(join(folder, 'tower.md'), `# Tower\n\n${SENTENCE}\n`)
    const env = { DOCS_DESK_MODEL_URL: `${model.url}/`, DOCS_DESK_MODEL: 'tiny', DOCS_DESK_API_KEY: api_key, DOCS_DESK_QUESTION: QUESTION }
    desk = startDesk(hub, { data_dir, folder, env })
    contract_id = await desk.ready
    human = await sitDown(hub, contract_id)
  })

  after(async () => {
    human?.close()
    await endAllDesks()
    await hub?.close()
    await model?.close()
    for (const path of [folder, data_dir]) await rm(path, { recursive: true, force: true })
  })

  it('[DESK-12] streams the words of the model, wherever the network cuts them, and cites only what it was shown', async () => {
    const said = [
      'Vierzig Lämpchen 🏮',
      ' glühen',
      ' [tower.md:3]',
      ', sagt man in 灯台 [made-up.md:7].',
      ' Siehe [tower.md:3, tower.md:99].',
    ]
    model.behave(async (response) => {
      openStream(response)
      await sendByteByByte(response, `: hello\r\n\r\n${said.map(delta).join('').replaceAll('\n', '\r\n')}${DONE}`)
      response.end()
    })
    const { output, chunks } = await callTool(human, contract_id, 'answer', { question: QUESTION })
    expect(chunks.map(({ chunk }) => chunk)).to.deep.equal(said)
    expect(output).to.deep.equal({
      answer: 'Vierzig Lämpchen 🏮 glühen [tower.md:3], sagt man in 灯台. Siehe [tower.md:3].',
      citations: [CITATION],
      source: 'model',
    })
    const { path, authorization, body } = model.requests.at(-1) ?? { body: undefined }
    expect([path, authorization, body?.model, body?.stream]).to.deep.equal(['/v1/chat/completions', `Bearer ${api_key}`, 'tiny', true])
    expect(body?.messages.at(-1)?.content).to.equal(`(Tower)\ntower.md:3 ${SENTENCE}\n\nQuestion: ${QUESTION}`)
    expect(JSON.stringify(desk.log)).not.to.include(api_key)
  })

  it('[DESK-13] a model that names no place gets the best lines as sources, and one that does not stream is understood', async () => {
    model.behave((response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'Forty.' } }] }))
    })
    const seq = await ask(human, contract_id, QUESTION)
    expect((await answerTo(human, contract_id, seq)).body).to.equal('Forty.\n\nSources: [tower.md:3]')
  })

  it('[DESK-5] it is shown as typing until its answer is there', async () => {
    const isTold = (typing: boolean) => human.next('presence', ({ changed = [] }) => changed.some((member) => member.typing === typing))
    human.told.length = 0
    model.behave(async (response) => {
      await isTold(true)
      openStream(response).end(`${delta('Forty.')}${DONE}`)
    })
    const seq = await ask(human, contract_id, QUESTION)
    await answerTo(human, contract_id, seq)
    await isTold(false)
  })

  const failures: Record<string, { how: Parameters<ModelStandIn['behave']>[0]; why: string }> = {
    'an error status': { how: (response) => void response.writeHead(429).end('{}'), why: 'it answered with status 429' },
    'an error in mid-stream': {
      how: (response) => void openStream(response).end(`${delta('Forty ')}data: {"error":{"message":"out of memory"}}\n\n`),
      why: 'it reported an error',
    },
    'a stream that breaks off': { how: (response) => void openStream(response).end(delta('Forty ')), why: 'its stream broke off' },
    'a lost connection': {
      how: (response) => void openStream(response).write(delta('Forty '), () => response.socket?.destroy()),
      why: 'the connection failed',
    },
    'something that is no completion': {
      how: (response) => void openStream(response).end('data: <html>\n\n'),
      why: 'its answer is not of the chat completions API',
    },
    'not a word': { how: (response) => void openStream(response).end(DONE), why: 'it answered without a word' },
  }
  for (const [what, { how, why }] of Object.entries(failures)) {
    it(`[DESK-14] after ${what} it answers from the files, with a note`, async () => {
      model.behave(how)
      const note = `the model was of no help (${why}), so these are sentences from the files.`
      const { output, chunks } = await callTool(human, contract_id, 'answer', { question: QUESTION })
      expect(output).to.deep.equal({ answer: FROM_FILES, citations: [CITATION], source: 'files', note })
      const streamed = chunks.map(({ chunk }) => chunk).join('')
      expect(streamed.endsWith(`(${note})\n\n${FROM_FILES}`), streamed).to.equal(true)
    })
  }

  it('[DESK-15] server-sent events are the same wherever their bytes are cut', async () => {
    const bytes = Buffer.from('\ufeff: comment\r\ndata: {"a":"ü🏮"}\r\n\r\nevent: x\ndata:one\ndata: two\n\nid: 3\rdata\r\rdata: last')
    for (let first = 0; first <= bytes.length; first += 1) {
      for (const second of [first, first + 1, first + 2, bytes.length]) {
        const cut = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(Math.min(second, bytes.length))]
        expect(await all(eventData(parts(cut))), `cut at ${first} and ${second}`).to.deep.equal(['{"a":"ü🏮"}', 'one\ntwo', '', 'last'])
      }
    }
  })

  it('[DESK-16] every sentence stands on the line that it is said to stand on', () => {
    const file = [
      ...[
        '---',
        'title: Guide',
        '---',
        '# One *two*',
        'First sentence, e.g. this one, is',
        'long. Second one (`ends? not here`) is short! Third',
        '',
      ],
      ...[
        '- item one. It has two',
        '  sentences.',
        '- [ ] item **two**',
        '',
        '> quoted words.',
        '',
        '| a | b |',
        '|---|---|',
        '| cell | **bold** |',
      ],
      ...['```sh', '# no heading', 'run it.', '```', '### Deep', '1. step', 'last line'],
    ]
    const passages = passagesOf('guide.md', file)
    for (const { first_line, last_line, lines } of passages) expect(file.slice(first_line - 1, last_line)).to.deep.equal(lines)
    expect(passages.flatMap(sentencesOf).map(({ line, text }) => `${line} ${text}`)).to.deep.equal([
      '2 title: Guide',
      '4 One *two*',
      '5 First sentence, e.g. this one, is long.',
      '6 Second one (`ends? not here`) is short!',
      '6 Third',
      '8 item one.',
      '8 It has two sentences.',
      '10 item two',
      '12 quoted words.',
      '16 cell · bold',
      '18 # no heading',
      '19 run it.',
      '21 Deep',
      '22 step last line',
    ])
    expect(passages.find(({ first_line }) => first_line === 22)?.heading).to.equal('One *two* › Deep')
  })
})

async function* parts(list: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* list
}

async function all(items: AsyncIterable<string>): Promise<string[]> {
  const list: string[] = []
  for await (const item of items) list.push(item)
  return list
}
