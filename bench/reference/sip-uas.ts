/**
 * The reference for signalling: the smallest answering server on the npm package `sip`. It keeps no dialogs, does not
 * repeat a lost 200 and writes no records; it answers what SIPp's built-in `uac` sends.
 */

import { createRequire } from 'node:module'
import { freeUdpPort } from '../../conformance/peers/ports.ts'
import { beMeasured } from '../support/measured-child.ts'

interface SipMessage {
  method?: string
  headers: { to: { params: Record<string, string> } } & Record<string, unknown>
  content?: string
}

interface SipPackage {
  start(options: object, onRequest: (request: SipMessage) => void): void
  send(message: SipMessage): void
  makeResponse(request: SipMessage, status: number, reason: string): SipMessage
}

const sip = createRequire(import.meta.url)('sip') as SipPackage
const port = await freeUdpPort()
let answered = 0

sip.start({ address: '127.0.0.1', publicAddress: '127.0.0.1', port, tcp: false }, request => {
  switch (request.method) {
    case 'INVITE': {
      answered += 1
      request.headers.to.params['tag'] = String(answered)
      sip.send(sip.makeResponse(request, 180, 'Ringing'))
      const ok = sip.makeResponse(request, 200, 'OK')
      ok.headers['contact'] = [{ uri: `sip:127.0.0.1:${port}` }]
      ok.headers['content-type'] = 'application/sdp'
      ok.content = answerSdp
      sip.send(ok)
      break
    }
    case 'ACK':
      break
    default:
      sip.send(sip.makeResponse(request, 200, 'OK'))
  }
})

const answerSdp = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 40000 RTP/AVP 0',
  'a=rtpmap:0 PCMU/8000',
  '',
].join('\r\n')

beMeasured([port], () => ({ answered }))
