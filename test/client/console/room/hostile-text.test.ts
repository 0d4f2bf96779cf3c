import { expect } from 'chai'
import { connectAgent, openContract, registerAgent } from '../../../harness/people.ts'
import { openRoom, operatorOf, speaker, until } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

const corpus = [
  '<script>tellFault("ran: script")</script>',
  '<img src=x onerror=tellFault("ran:img")>',
  '<svg/onload=tellFault("ran:svg")>',
  '"><iframe srcdoc="<script>parent.tellFault(1)</script>"></iframe>',
  '<a href="javascript:tellFault(\'ran:link\')">press me</a>',
  'javascript:tellFault("ran:url")',
  '{{constructor.constructor("tellFault(1)")()}}',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a text, as an attacker would write it
  '${tellFault("ran:template")}',
  '<style>*{display:none}</style>',
  '</textarea><details open ontoggle=tellFault("ran:details")>',
  '&lt;img src=x onerror=tellFault(1)&gt;',
  'https://example.com/?q=<b>bold</b>',
]
const hidden = 'invoice\u202Efdp.exe\u2066\u200F\u0007'

describe('console: text that means harm', () => {
  const world = useConsole()

  it('[CON-20] whatever is in messages, names, tools and inputs runs nowhere and is shown as text', async () => {
    const provider = await registerAgent(world.hub, `${corpus[1]} ${hidden}`)
    const { contract_id } = await openContract(world.hub, { provider })
    const agent = await connectAgent(world.hub, provider, [{ name: 'echo', description: corpus.join(), input_schema: true }])
    agent.socket.on('core.tool.call', (_call, ack) => ack({}))
    const operator = await speaker(world.hub, await operatorOf(world.hub), contract_id)
    const agentVoice = await speaker(world.hub, provider, contract_id)
    for (const text of corpus) await agentVoice.say(text)
    await agentVoice.say(hidden)
    for (const [at, text] of corpus.entries()) {
      await operator.must('tool.call', { contract_id, key: `unknown-${at}`, tool: text, input: { [text]: text } })
    }
    const call = await operator.must('tool.call', { contract_id, key: 'echo', tool: 'echo', input: corpus })
    await agent.must('agent.tool.stream', { call_id: call.call_id, seq: 1, chunk: corpus.join('\n') })
    await agent.must('agent.tool.result', {
      call_id: call.call_id,
      status: 'failed',
      error: { code: corpus[0] ?? '', message: corpus[1] ?? '' },
    })

    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    const { page, faults } = opened
    for (const text of corpus) await page.locator('article.message .prose').getByText(text, { exact: true }).first().waitFor()
    for (const part of await page.locator('article.call details').all()) await part.locator('summary').click()
    await page.getByRole('button', { name: /Show streamed output/ }).click()
    await page.getByRole('button', { name: 'Search', exact: true }).click()
    await page.getByRole('searchbox').fill('tellFault')
    await page.locator('.search-results li').first().waitFor()
    await operator.must('contract.end', { contract_id, key: 'end', outcome: corpus[2] ?? '', reason: corpus[3] ?? '' })
    await page.getByText('The contract has ended.').waitFor()

    expect(faults).to.deep.equal([])
    const foreign = 'script:not([src^="/app/assets/"]), #app img, iframe, #app style, #app [srcdoc], a[href^="javascript:"]'
    expect(await page.locator(foreign).count()).to.equal(0)
    // The one address of the corpus is a link where somebody says it, and nowhere else.
    expect(await page.locator('a[href*="example.com"]').count()).to.equal(
      await page.locator('.prose a[href="https://example.com/?q="]').count(),
    )
    const shown = await page.locator('article.message .prose', { hasText: 'invoice' }).textContent()
    expect(shown?.replace(/\s/g, '')).to.equal('invoiceU+202Efdp.exeU+2066U+200FU+0007')
    expect(await page.evaluate(() => document.body.textContent)).to.not.match(/[\u202a-\u202e\u2066-\u2069]/)

    // The watch itself is awake: the policy stops this one and says so.
    await page.evaluate(() => {
      const image = document.createElement('img')
      image.src = 'https://example.com/pixel.png'
      document.body.append(image)
    })
    await until(
      async () => faults.join(),
      (seen) => seen.includes('img-src'),
    )
  })
})
