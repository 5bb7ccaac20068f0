import t from 'tap'
import { createLab } from '../../../src/testing/lab.ts'
import { quirkyNetwork } from './wire-quirks.ts'
import type { WireQuirk } from './wire-quirks.ts'

const ok = [
  'SIP/2.0 200 OK',
  'Via: SIP/2.0/TLS 10.1.0.1;branch=z9hG4bK1',
  'Contact: <sip:OAI@sip.example:5061;transport=tls>',
  'Content-Type: application/sdp',
  'Content-Length: 3',
  '',
  'v=0',
].join('\r\n')

const rows: readonly (readonly [WireQuirk, string])[] = [
  [
    'compact-headers',
    'SIP/2.0 200 OK\r\nv: SIP/2.0/TLS 10.1.0.1;branch=z9hG4bK1\r\nm: <sip:OAI@sip.example:5061;transport=tls>\r\nc: application/sdp\r\nl: 3\r\n\r\nv=0',
  ],
  ['no-content-type', ok.replace('Content-Type: application/sdp\r\n', '')],
  ['contact-without-transport', ok.replace(';transport=tls', '')],
]

for (const [quirk, expected] of rows)
  t.test(`a carrier that writes with ${quirk}`, async t => {
    const lab = createLab()
    const network = quirkyNetwork(lab.network.host('10.1.0.1'), [quirk])
    const seen: string[] = []
    await lab.run(async () => {
      const there = await lab.network.host('10.1.0.2').bindUdp({ host: '10.1.0.2', port: 5060 })
      there.onMessage = data => seen.push(Buffer.from(data).toString('latin1'))
      const here = await network.bindUdp({ host: '10.1.0.1', port: 5060 })
      here.send(Buffer.from(ok), 5060, '10.1.0.2')
      here.send(Buffer.from('no SIP\r\nContact: x\r\n\r\n'), 5060, '10.1.0.2')
      await lab.clock.sleep(100)
      const listener = await lab.network.host('10.1.0.2').listenTcp({ host: '10.1.0.2', port: 5061 })
      listener.onConnection = connection => {
        connection.onData = data => seen.push(Buffer.from(data).toString('latin1'))
      }
      const connection = await network.connectTcp({ host: '10.1.0.2', port: 5061 })
      connection.write(Buffer.from(ok))
      await lab.clock.sleep(100)
    })
    t.same(seen.slice(0, 2).toSorted(), [expected, 'no SIP\r\nContact: x\r\n\r\n'].toSorted())
    t.equal(seen.slice(2).join(''), expected)
  })
