import { BlockList, isIP } from 'node:net'

/** The special-purpose ranges of IANA, and what carries an IPv4 address inside an IPv6 one. */
const CLOSED_V4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24'],
  ...['192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  // Azure's WireServer: a public number, by which each machine there asks for its own settings and secrets.
  '168.63.129.16/32',
]
const CLOSED_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']
/** All that is given to the public internet so far. */
const OPEN_V6 = ['2000::/3']

const closed = listOf({ ipv4: CLOSED_V4, ipv6: CLOSED_V6 })
const open = listOf({ ipv4: [], ipv6: OPEN_V6 })

/** Whether the address is one of the public internet: no loopback, no private or local network, no cloud's metadata, nobody's multicast. */
export function isPublicAddress(address: string): boolean {
  const inner = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (inner !== undefined) return isPublicAddress(inner)
  switch (isIP(address)) {
    case 4:
      return !closed.check(address, 'ipv4')
    case 6:
      return open.check(address, 'ipv6') && !closed.check(address, 'ipv6')
    default:
      return false
  }
}

function listOf(ranges: Record<'ipv4' | 'ipv6', readonly string[]>): BlockList {
  const list = new BlockList()
  for (const family of ['ipv4', 'ipv6'] as const) {
    for (const range of ranges[family]) {
      const [net = '', bits] = range.split('/')
      list.addSubnet(net, Number(bits), family)
    }
  }
  return list
}
