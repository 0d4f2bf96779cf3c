import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { openContract, registerAgent } from '../../../harness/people.ts'
import { openRoom, speaker } from '../console-world.ts'
import { useConsole } from '../use-console.ts'

const said = [
  '# Result',
  '**Bold**, *italic*, ~~gone~~ and `code <b>`.',
  'a second line',
  '',
  '- one',
  '- two with **weight**',
  '  1. inside',
  '',
  '> quoted',
  '',
  '```js',
  'const a = "<i>"',
  '```',
  '',
  '| file | size |   |',
  '| :- | -: | :-: |',
  '| `a` \\| **b** | 12 | x |',
  '| c |',
  '',
  '[the guide](https://example.com/guide?a=1&b=2) and https://example.org and someone@example.net',
].join('\n')

/** What Markdown could be made to do, and the addresses that a link may be made of in each. */
const corpus: [string, string[]][] = [
  ['[press](javascript:tellFault("ran"))', []],
  ['[press](JaVaScRiPt:tellFault(1))', []],
  ['[press](&#106;avascript:tellFault(1))', []],
  ['[press](java&Tab;script:tellFault(1))', []],
  ['[press](<java\u0000script:tellFault(1)>)', []],
  ['[press]( javascript://example.com/%0AtellFault(1) )', []],
  ['[press](data:text/html,<script>tellFault(1)</script>)', []],
  ['[press](vbscript:tellFault)', []],
  ['[press](blob:https://example.com/1)', []],
  ['[press](//example.com/without-protocol)', []],
  ['[press](/app/rooms)', []],
  ['<javascript:tellFault(1)>', []],
  ['[press][x]\n\n[x]: javascript:tellFault(1)', []],
  ['[press](https://example.com/"onmouseover="tellFault(1))', ['https://example.com/%22onmouseover=%22tellFault(1)']],
  ['[press](https://example.com/a "x" onclick="tellFault(1)")', ['https://example.com/a']],
  ['![picture](https://example.com/a.png"onerror="tellFault(1))', ['https://example.com/a.png%22onerror=%22tellFault(1)']],
  ['![picture](javascript:tellFault(1))', []],
  ['[<img src=x onerror=tellFault(1)>](https://example.com/b)', ['https://example.com/b']],
  ['[https://bank.example](https://bank.example@example.com/c)', ['https://bank.example@example.com/c']],
  ['<a href="https://example.com/d" onclick="tellFault(1)">**bold**</a>', ['https://example.com/d']],
  ['```html"onload="tellFault(1)\n<script>tellFault(1)</script>\n```', []],
  ['| <img src=x onerror=tellFault(1)> |\n| --- |\n| [a](javascript:tellFault(1)) |', []],
  [
    '| [a](javascript:tellFault(1)) | ![b](https://example.com/e.png"onerror="tellFault(1)) |\n| :-: | -: |\n| <td onclick=tellFault(1)> | [c](https://example.com/f) |',
    ['https://example.com/e.png%22onerror=%22tellFault(1)', 'https://example.com/f'],
  ],
  ['| a\\|b" style="x |\n|:-"onload="tellFault(1):|\n| \u202E<script>tellFault(1)</script> |', []],
  ['- [ ] <input autofocus onfocus=tellFault(1)>', []],
  ['<!-- --!><img src=x onerror=tellFault(1)> -->', []],
  ['\u202E[press](https://example.com/\u202Egpj.exe)', ['https://example.com/%E2%80%AEgpj.exe']],
  [`${'>'.repeat(5_000)} deep`, []],
  [`${'- '.repeat(500)}deep`, []],
]

describe('console: messages in Markdown', () => {
  const world = useConsole()

  async function roomWith(texts: string[]) {
    const provider = await registerAgent(world.hub, 'Writer')
    const { contract_id } = await openContract(world.hub, { provider })
    const voice = await speaker(world.hub, provider, contract_id)
    for (const text of texts) await voice.say(text)
    voice.close()
    const opened = await world.signedIn()
    await openRoom(opened, world.hub, contract_id)
    return opened
  }

  it('[CON-34] bold, italics, code, lists, quotes, tables and links have their shape, and a link says where it leads', async () => {
    const { page, faults } = await roomWith([said])
    expect(await shapeOf(page)).to.deep.equal([
      ['P', 'Result'],
      ['P', 'Bold, italic, gone and code <b>.\na second line'],
      ['UL', 'onetwo with weightinside'],
      ['BLOCKQUOTE', 'quoted'],
      ['PRE', 'const a = "<i>"'],
      ['TABLE', 'filesizea | b12xc'],
      ['P', 'the guide (example.com) and https://example.org and someone@example.net'],
    ])
    for (const [part, text] of Object.entries({ strong: 'Bold', em: 'italic', del: 'gone', 'p code': 'code <b>', 'li ol li': 'inside' })) {
      expect(await page.locator(`.prose ${part}`).first().textContent(), part).to.equal(text)
    }
    const cells = page.locator('.prose :is(th, td)')
    expect(await cells.evaluateAll((all) => all.map(({ tagName, textContent }) => `${tagName} ${textContent}`))).to.deep.equal(
      ['TH file', 'TH size', 'TD ', 'TD a | b', 'TD 12', 'TD x', 'TD c', 'TD ', 'TD '], // what a row lacks is empty
    )
    const sides = await cells.evaluateAll((all) => all.slice(3, 6).map((cell) => getComputedStyle(cell).textAlign))
    expect(sides).to.deep.equal(['start', 'end', 'center'])
    expect(await linksOf(page)).to.deep.equal(['https://example.com/guide?a=1&b=2', 'https://example.org/', 'mailto:someone@example.net'])
    expect(await page.locator('.prose a:not([rel="noopener noreferrer"][target="_blank"])').count()).to.equal(0)
    expect(await page.locator('.prose :is(h1, h2, h3)').count()).to.equal(0)
    expect(faults).to.deep.equal([])
  })

  it('[CON-34] a wide table folds into the page, and one of more columns than a page has is shown as it was written', async () => {
    const wide = (columns: number) =>
      [...'ht'].map((cell) => `|${` ${cell.repeat(40)} |`.repeat(columns)}`).join(`\n|${' - |'.repeat(columns)}\n`)
    const { page } = await roomWith([wide(12), wide(13)])
    await page.setViewportSize({ width: 360, height: 740 })
    await page.locator('article.message .prose').nth(1).waitFor()
    expect(await page.locator('.prose table').count()).to.equal(1)
    expect(await page.locator('.prose pre').textContent()).to.equal(wide(13))
    const scroller = page.locator('.timeline')
    expect(await scroller.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)).to.equal(0)
  })

  it('[CON-34] an address of other letters, or with a name in front, says where it leads', async () => {
    const { page } = await roomWith(['[https://аррlе.com/](https://аррlе.com/) and [bank.example](https://bank.example@evil.example/)'])
    await page.locator('.prose a').nth(1).waitFor()
    expect(await page.locator('.leads-to').allTextContents()).to.deep.equal([' (xn--l-7sbq6ba.com)', ' (evil.example)'])
  })

  it('[CON-35] Markdown makes links to http, https and mail alone, and nothing else that acts; it runs nowhere', async () => {
    const { page, faults } = await roomWith(corpus.map(([text]) => text))
    await page
      .locator('article.message')
      .nth(corpus.length - 1)
      .waitFor()
    const messages = page.locator('article.message .prose')
    expect(await messages.count()).to.equal(corpus.length)
    for (const [at, [text, links]] of corpus.entries()) {
      const hrefs = await messages
        .nth(at)
        .locator('a')
        .evaluateAll((all) => all.map((link) => link.getAttribute('href')))
      expect(hrefs, text.slice(0, 80)).to.deep.equal(links)
    }
    const tags = await messages.evaluateAll((all) => [
      ...new Set(all.flatMap((one) => [...one.querySelectorAll('*')].flatMap((part) => [part.tagName, ...part.getAttributeNames()]))),
    ])
    const known = [
      'P',
      'A',
      'CODE',
      'PRE',
      'STRONG',
      'EM',
      'UL',
      'OL',
      'LI',
      'SPAN',
      'BLOCKQUOTE',
      'TABLE',
      'THEAD',
      'TBODY',
      'TR',
      'TH',
      'TD',
    ]
    const attributes = ['dir', 'href', 'target', 'rel', 'title', 'class', 'start', 'scope']
    expect(tags.filter((name) => !known.includes(name) && !attributes.includes(name))).to.deep.equal([])
    expect(await page.locator('.leads-to').allTextContents()).to.include(' (example.com)')
    expect(await page.evaluate(() => document.body.textContent)).to.not.match(/[\u202a-\u202e\u2066-\u2069]/)
    expect(faults).to.deep.equal([])
  })
})

const linksOf = (page: Page): Promise<string[]> =>
  page.locator('.prose a').evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''))

/** The blocks of the one message: what each is, and its text. */
const shapeOf = (page: Page): Promise<[string, string][]> =>
  page
    .locator('article.message .prose')
    .evaluate((prose) => [...prose.children].map((block): [string, string] => [block.tagName, block.textContent ?? '']))
