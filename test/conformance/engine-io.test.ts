import { expect } from 'chai'
import { useConformanceHub } from './use-hub.ts'
import type { Opened } from './wire.ts'

const SEPARATOR = '\u001e'

/** What the fourth version of the Engine.IO protocol asks of a server, against the hub as a process. */
describe('the Engine.IO protocol', () => {
  const stage = useConformanceHub()

  const settings = ({ sid: _, ...rest }: Opened) => rest
  const numbers = { pingInterval: 300, pingTimeout: 200, maxPayload: 1_000_000 }

  it('[CONF-2] a session opens by polling and may be upgraded', async () => {
    const opened = await stage.client.openPolling()
    expect(settings(opened)).to.deep.equal({ ...numbers, upgrades: ['websocket'] })
    expect(opened.sid).to.be.a('string').with.length.above(0)
  })

  it('[CONF-2] a session opens on a WebSocket alone', async () => {
    const { opened } = await stage.client.openWire()
    expect(settings(opened)).to.deep.equal({ ...numbers, upgrades: [] })
    expect(opened.sid).to.be.a('string').with.length.above(0)
  })

  for (const [what, query] of [
    ['no version', 'transport=polling'],
    ['an unknown version', 'EIO=five&transport=polling'],
    ['no transport', 'EIO=4'],
    ['an unknown transport', 'EIO=4&transport=pigeon'],
    ['an unknown session', 'EIO=4&transport=polling&sid=nobody'],
  ] as const) {
    it(`[CONF-3] ${what}: 400 on HTTP, the end on a WebSocket`, async () => {
      expect((await stage.client.get(query)).status).to.equal(400)
      expect(await stage.client.wireTo(query.replace('polling', 'websocket')).closed()).to.deep.equal([])
    })
  }

  for (const method of ['POST', 'PUT', 'DELETE']) {
    it(`[CONF-3] a session does not open by ${method}`, async () => {
      expect((await stage.client.ask('EIO=4&transport=polling', method)).status).to.equal(400)
    })
  }

  it('[CONF-4] packets go both ways by polling, several in one payload', async () => {
    const { sid } = await stage.client.openPolling()
    const pushed = await stage.client.push(sid, '40')
    expect([pushed.status, await pushed.text()]).to.deep.equal([200, 'ok'])
    const welcome = (await (await stage.client.poll(sid)).text()).split(SEPARATOR)
    expect(welcome[0]).to.match(/^40\{"sid":"[^"]+"\}$/)
    if (welcome.length === 1) welcome.push(await (await stage.client.poll(sid)).text())
    expect(welcome[1]).to.equal('42["auth",{}]')
    await stage.client.push(sid, ['42["message","one"]', '42["message","€"]', '42["message",3]'].join(SEPARATOR))
    const answers = (await (await stage.client.poll(sid)).text()).split(SEPARATOR)
    expect(answers).to.deep.equal(['42["message-back","one"]', '42["message-back","€"]', '42["message-back",3]'])
  })

  it('[CONF-4] bytes travel as base64 by polling', async () => {
    const { sid } = await stage.client.openPolling()
    await stage.client.push(sid, '40')
    let welcome = await (await stage.client.poll(sid)).text()
    if (!welcome.includes('auth')) welcome += await (await stage.client.poll(sid)).text()
    await stage.client.push(sid, ['451-["message",{"_placeholder":true,"num":0}]', 'bAQIDBA=='].join(SEPARATOR))
    const answers = (await (await stage.client.poll(sid)).text()).split(SEPARATOR)
    expect(answers).to.deep.equal(['451-["message-back",{"_placeholder":true,"num":0}]', 'bAQIDBA=='])
  })

  it('[CONF-5] a payload that is none ends the session', async () => {
    const { sid } = await stage.client.openPolling()
    // How the request itself ends is left open by the protocol: an answer, or the break of the session that it belongs to.
    await stage.client.push(sid, 'abc').catch(() => {})
    expect((await stage.client.poll(sid)).status).to.equal(400)
  })

  it('[CONF-5] two polls at once end the session', async () => {
    const { sid } = await stage.client.openPolling()
    const answers = await Promise.all([stage.client.poll(sid), stage.client.poll(sid)])
    const told = await Promise.all(answers.map(async (answer) => [answer.status, answer.ok ? await answer.text() : '']))
    // Which of them came second is the network's choice.
    expect(told.filter(([status]) => status === 200)).to.deep.equal([[200, '1']])
    expect(told.filter(([status]) => status === 400 || status === 500)).to.have.lengthOf(1)
    expect((await stage.client.poll(sid)).status).to.equal(400)
  })

  it('[CONF-6] a session lives on pongs, by polling', async () => {
    const { sid } = await stage.client.openPolling()
    for (const beat of [1, 2, 3]) {
      const ping = await stage.client.poll(sid)
      expect([beat, ping.status, await ping.text()]).to.deep.equal([beat, 200, '2'])
      expect((await stage.client.push(sid, '3')).status).to.equal(200)
    }
  })

  it('[CONF-6] a session lives on pongs, on a WebSocket', async () => {
    const wire = await stage.client.openWire()
    wire.send('40')
    expect(await wire.next()).to.match(/^40/)
    expect(await wire.next()).to.equal('42["auth",{}]')
    for (const _ of [1, 2, 3]) {
      expect(await wire.next()).to.equal('2')
      wire.send('3')
    }
    wire.send('42["message","still here"]')
    expect(await wire.nextAnswer()).to.equal('42["message-back","still here"]')
  })

  it('[CONF-6] without pongs a session ends, by polling', async () => {
    const { sid } = await stage.client.openPolling()
    expect(await (await stage.client.poll(sid)).text()).to.equal('2')
    const end = await stage.client.poll(sid) // waits until the hub gives the client up
    expect(end.ok ? await end.text() : end.status).to.be.oneOf(['1', 400])
    expect((await stage.client.poll(sid)).status).to.equal(400)
  })

  it('[CONF-6] without pongs a session ends, on a WebSocket', async () => {
    const wire = await stage.client.openWire()
    wire.send('40')
    expect((await wire.closed()).at(-1)).to.equal('2')
  })

  it('[CONF-7] a close packet ends a polled session, and the poll that waits is let go', async () => {
    const { sid } = await stage.client.openPolling()
    const [waiting] = await Promise.all([stage.client.poll(sid), stage.client.push(sid, '1')])
    expect([waiting.status, await waiting.text()]).to.deep.equal([200, '6'])
    expect((await stage.client.poll(sid)).status).to.equal(400)
  })

  it('[CONF-7] a close packet ends a WebSocket, no later than the next heartbeat', async () => {
    const wire = await stage.client.openWire()
    wire.send('1')
    expect((await wire.closed()).join()).to.be.oneOf(['', '2'])
  })

  it('[CONF-8] polling becomes a WebSocket: the waiting poll is let go, and talk goes on there', async () => {
    const { sid } = await stage.client.openPolling()
    await stage.client.push(sid, '40')
    let welcome = await (await stage.client.poll(sid)).text()
    if (!welcome.includes('auth')) welcome += await (await stage.client.poll(sid)).text()
    const waiting = stage.client.poll(sid)
    const wire = stage.client.wireTo(`EIO=4&transport=websocket&sid=${sid}`)
    wire.send('2probe')
    expect(await wire.next()).to.equal('3probe')
    expect(await (await waiting).text()).to.be.oneOf(['6', '2'])
    wire.send('5')
    wire.send('42["message","over here"]')
    expect(await wire.nextAnswer()).to.equal('42["message-back","over here"]')
  })

  it('[CONF-8] after the upgrade neither a poll nor a second WebSocket has the session', async () => {
    const { sid } = await stage.client.openPolling()
    const wire = stage.client.wireTo(`EIO=4&transport=websocket&sid=${sid}`)
    wire.send('2probe')
    expect(await wire.next()).to.equal('3probe')
    wire.send('5')
    wire.send('40')
    expect(await wire.nextAnswer()).to.match(/^40/)
    expect(await wire.nextAnswer()).to.equal('42["auth",{}]')
    expect((await stage.client.poll(sid)).status).to.equal(400)
    expect(await stage.client.wireTo(`EIO=4&transport=websocket&sid=${sid}`).closed()).to.deep.equal([])
    wire.send('42["message","mine"]')
    expect(await wire.nextAnswer()).to.equal('42["message-back","mine"]')
  })
})
