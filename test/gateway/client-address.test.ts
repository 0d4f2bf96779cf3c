import { expect } from 'chai'
import { networkOf } from '../../server/core/network-of.ts'
import { ConfigError, readConfig } from '../../server/settings/config.ts'
import { startHub, type TestHubOptions } from '../harness/hub.ts'
import { connectAs, registerAgent } from '../harness/people.ts'

/** The address that the hub logs for a handshake with the header. */
async function seen(trust_proxy: TestHubOptions['trust_proxy'], forwarded: string): Promise<string> {
  const addresses: string[] = []
  const hub = await startHub({
    ...(trust_proxy === undefined ? {} : { trust_proxy }),
    onLog: (_level, event, details) => {
      if (event === 'socket.admitted') addresses.push(String(details?.['ip']))
    },
  })
  try {
    const agent = await registerAgent(hub)
    const client = await connectAs(hub, agent, { extraHeaders: { 'x-forwarded-for': forwarded } })
    client.close()
    return addresses.join()
  } finally {
    await hub.close()
  }
}

describe('the address of a client', () => {
  it('[HTTP-8] X-Forwarded-For counts only as far as a proxy wrote it that the hub was told of', async () => {
    expect(await seen(undefined, '192.0.2.1')).to.equal('127.0.0.1')
    expect(await seen(1, '198.51.100.9, 192.0.2.1')).to.equal('192.0.2.1')
    expect(await seen(2, '198.51.100.9, 192.0.2.1')).to.equal('198.51.100.9')
    expect(await seen(['loopback', '192.0.2.0/24'], '198.51.100.9, 192.0.2.1')).to.equal('198.51.100.9')
    expect(await seen(['10.0.0.1'], '192.0.2.1')).to.equal('127.0.0.1')
    expect(await seen(1, 'not an address')).to.equal('127.0.0.1')
    expect(await seen(1, '::ffff:192.0.2.1')).to.equal('192.0.2.1')
  })

  it('[HTTP-8] the setting is a number of proxies or a list of addresses, and nothing else', () => {
    const read = (PARLEY_TRUST_PROXY: string) => readConfig({ PARLEY_TRUST_PROXY }).trust_proxy
    expect(read('')).to.equal(undefined)
    expect(read('1')).to.equal(1)
    expect(read('loopback, 10.0.0.0/8,2001:db8::1')).to.deep.equal(['loopback', '10.0.0.0/8', '2001:db8::1'])
    for (const wrong of ['true', 'all', '10.0.0.0/33', 'proxy.example.org', '1,2', '-1']) {
      expect(() => read(wrong), wrong).to.throw(ConfigError, 'PARLEY_TRUST_PROXY')
    }
  })

  it('[HTTP-8] an address stands for its network: IPv4 however it is written, IPv6 by its /64', () => {
    for (const same of ['2001:db8::1', '2001:db8:0:0:f::2', '2001:db8::a:b:c:d']) expect(networkOf(same)).to.equal('2001:db8:0:0')
    for (const same of ['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:192.0.2.1']) expect(networkOf(same)).to.equal('192.0.2.1')
    expect(networkOf('::1')).to.equal('0:0:0:0')
  })
})
