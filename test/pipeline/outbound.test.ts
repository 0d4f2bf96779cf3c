import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { createOutbound, type OutboundError, type Resolve } from '../../server/pipeline/outbound/outbound.ts'
import { isPublicAddress } from '../../server/pipeline/outbound/outbound-address.ts'

const outbound = createOutbound()

/** The reason why it does not go there, or undefined. */
function refusal(check: () => unknown): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return (error as OutboundError).reason
  }
}

async function failure(work: Promise<unknown>): Promise<OutboundError> {
  return work.then(
    () => expect.fail('it went there'),
    (error: OutboundError) => error,
  )
}

describe('the way out', () => {
  const privateHosts = [
    ...[
      '127.0.0.1',
      '127.1',
      '127.0.1',
      '2130706433',
      '0x7f000001',
      '0x7f.1',
      '0177.0.0.1',
      '017700000001',
      '0x7f.0x0.0x0.0x1',
      '127.0.0.1.',
    ],
    ...[
      '0',
      '0.0.0.0',
      '10.0.0.1',
      '012.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.0.1',
      '0xc0a80001',
      '100.64.0.1',
      '169.254.169.254',
      '168.63.129.16',
    ],
    ...[
      '2852039166',
      '0xa9fea9fe',
      '0251.0376.0251.0376',
      '192.0.0.1',
      '192.0.2.1',
      '198.18.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '240.0.0.1',
    ],
    ...[
      '[::1]',
      '[::]',
      '[0:0:0:0:0:0:0:1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[::ffff:a9fe:a9fe]',
      '[::127.0.0.1]',
      '[64:ff9b::7f00:1]',
    ],
    ...['[fe80::1]', '[fc00::1]', '[fd00:ec2::254]', '[ff02::1]', '[2002:7f00:1::]', '[2001:db8::1]', '[2001::1]', '[fec0::1]', '[100::1]'],
    ...[
      'localhost',
      'LOCALHOST',
      'localhost.',
      'a.localhost',
      'printer.local',
      'metadata.google.internal',
      'metadata',
      'intranet',
      'hub.home.arpa',
    ],
    ...['①②⑦.⓪.⓪.①', '127。0。0。1', '%31%32%37.0.0.1', 'ⓛocalhost'],
  ]

  it('[OUT-1] no spelling of a private, local or reserved address passes', () => {
    for (const host of privateHosts)
      expect(
        refusal(() => outbound.check(`https://${host}/hook`)),
        host,
      ).to.equal('refused')
    for (const address of ['1.1.1.1', '8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8']) {
      expect(isPublicAddress(address), address).to.equal(true)
    }
    for (const address of ['', 'example.org', '1.2.3', '::ffff:10.0.0.1', 'fe80::1%eth0'])
      expect(isPublicAddress(address), address).to.equal(false)
  })

  it('[OUT-1] nor does what is no https, holds credentials, or is for another service', () => {
    const wrong = [
      ...[
        'http://example.org',
        'ftp://example.org',
        'file:///etc/passwd',
        'gopher://example.org',
        'javascript:alert(1)',
        '//example.org',
        '',
      ],
      ...[
        'https://user@example.org',
        'https://user:password@example.org',
        'https://example.org@127.0.0.1',
        'https://127.0.0.1#@example.org',
      ],
      ...[
        'https://example.org:22',
        'https://example.org:25',
        'https://example.org:80',
        'https://example.org:0',
        'https://example.org:65536',
      ],
      ...['https://[fe80::1%25eth0]/', 'https://[::1', 'https://exa mple.org', `https://example.org/${'x'.repeat(2_000)}`, 'https://'],
    ]
    for (const url of wrong)
      expect(
        refusal(() => outbound.check(url)),
        url,
      ).to.equal('refused')
    for (const url of [
      'https://example.org',
      'https://example.org:8443/hook?a=1',
      'https://8.8.8.8/',
      'https://[2606:4700::1111]/',
      'https://bücher.example',
    ]) {
      expect(
        refusal(() => outbound.check(url)),
        url,
      ).to.equal(undefined)
    }
  })

  it('[OUT-2] a name is refused when any of its addresses is not public, in the look-up that the connection itself makes', async () => {
    const answers: string[][] = [['127.0.0.1'], ['8.8.8.8', '10.0.0.1'], ['::ffff:127.0.0.1'], ['fe80::1'], ['169.254.169.254', '8.8.8.8']]
    for (const addresses of answers) {
      let asked = 0
      const resolve: Resolve = (_hostname, done) => {
        asked += 1
        done(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        )
      }
      const error = await failure(createOutbound({ resolve }).guardedFetch('https://rebinding.example/hook'))
      expect([error.reason, asked], addresses.join()).to.deep.equal(['refused', 1])
    }
    const nothing = await failure(createOutbound({ resolve: (_hostname, done) => done(null, []) }).guardedFetch('https://nowhere.example'))
    expect(nothing.reason).to.equal('network')
  })

  describe('on a development hub', () => {
    const dev = createOutbound({ allow_private: true })
    let answer: RequestListener = (_request, response) => response.end('ok')
    const server = createServer((request, response) => answer(request, response))
    let url = ''

    before(async () => {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    })
    after(() => {
      server.closeAllConnections()
      server.close()
    })

    it('[OUT-3] this machine and http are allowed; a redirect is an answer, and is not followed', async () => {
      let asked = 0
      answer = (request, response) => {
        asked += 1
        response.writeHead(307, { Location: `${url}/elsewhere`, 'X-Method': request.method }).end('moved')
      }
      const { status, headers, body } = await dev.guardedFetch(`${url}/hook`, { method: 'POST', body: '{}' })
      expect([status, headers['x-method'], body.toString(), asked]).to.deep.equal([307, 'POST', 'moved', 1])
      expect((await failure(outbound.guardedFetch(url))).reason).to.equal('refused')
    })

    it('[OUT-3] an answer that is too large or does not come is given up, and so is one that never ends', async () => {
      answer = (_request, response) => response.end('x'.repeat(2_000))
      expect((await failure(dev.guardedFetch(url, { most_bytes: 1_000 }))).reason).to.equal('too-large')
      expect((await dev.guardedFetch(url, { most_bytes: 2_000 })).body).to.have.length(2_000)
      answer = () => undefined
      expect((await failure(dev.guardedFetch(url, { timeout_ms: 100 }))).reason).to.equal('timeout')
      answer = (_request, response) => response.write('drip')
      expect((await failure(dev.guardedFetch(url, { timeout_ms: 100 }))).reason).to.equal('timeout')
      answer = (request) => request.socket.destroy()
      expect((await failure(dev.guardedFetch(url))).reason).to.equal('network')
    })

    it('[OUT-4] an answer that wants another protocol is none: it is given up at once, and its connection closed', async () => {
      let closed: Promise<unknown> | undefined
      answer = ({ socket }) => {
        closed = once(socket, 'close')
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
      }
      expect((await failure(dev.guardedFetch(url))).reason).to.equal('network')
      await closed
    })

    it('[OUT-3] the name is looked up by the given resolver, and the request goes where it says', async () => {
      answer = (request, response) => response.end(request.headers.host)
      const { port } = new URL(url)
      const named = createOutbound({ allow_private: true, resolve: (_hostname, done) => done(null, [{ address: '127.0.0.1', family: 4 }]) })
      expect((await named.guardedFetch(`http://hook.example:${port}/`)).body.toString()).to.equal(`hook.example:${port}`)
    })
  })
})
