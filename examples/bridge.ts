// A switchboard: whoever calls in is put through to TARGET, as untouched as the codecs of both sides allow.
//   LISTEN=udp://0.0.0.0:5060 TARGET=sip:desk@192.0.2.7 node dist/examples/bridge.js
import { SipResponseError, bridge, bridgeCodecs, createEndpoint } from 'offhook'
import type { IncomingCall } from 'offhook'

const { LISTEN = 'udp://0.0.0.0:5060', TARGET = 'sip:desk@127.0.0.1:5070' } = process.env

const endpoint = await createEndpoint({ listen: [LISTEN], codecs: ['G722', 'PCMA', 'PCMU'] })
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
console.log(`${endpoint.listening.join(', ')} puts through to ${TARGET}`)
await endpoint.serve(putThrough, { signal: stop.signal })
await endpoint.close()

async function putThrough(caller: IncomingCall): Promise<void> {
  caller.ring()
  try {
    // Offers what the caller offers, in its order: G.729 too, which nobody here could decode.
    const desk = await endpoint.call(TARGET, { codecs: bridgeCodecs(caller), signal: caller.signal })
    try {
      // Answers with the codec that the desk has taken.
      await caller.answer({ codecs: bridgeCodecs(desk) })
      const bridged = await bridge(caller, desk, { hangup: 'both' })
      console.log(`through: ${bridged.modes.join(' and ')}`)
      const { cause } = await bridged.ended
      const { forward, backward } = bridged.stats()
      console.log(`${cause}: ${forward.relayed} packets there, ${backward.relayed} back`)
    } finally {
      await desk.hangup()
    }
  } catch (error) {
    if (caller.signal.aborted) return
    if (!(error instanceof SipResponseError)) throw error
    caller.reject(error.statusCode)
  }
}
