// Calls a number through a trunk, presses keys, records, hangs up after ten seconds.
//   TARGET=sip:+15550100@trunk.example AOR=sip:acme@trunk.example SIP_USER=acme SIP_PASSWORD=... node dist/examples/call.js
import { createEndpoint, SipResponseError } from 'offhook'

const {
  TARGET = 'sip:echo@127.0.0.1:5060',
  AOR = 'sip:acme@127.0.0.1',
  SIP_USER,
  SIP_PASSWORD = '',
} = process.env
const endpoint = await createEndpoint({ listen: [process.env['LISTEN'] ?? 'udp://0.0.0.0:0'] })

try {
  const call = await endpoint.call(TARGET, {
    trunk: { aor: AOR, ...(SIP_USER && { credentials: { username: SIP_USER, password: SIP_PASSWORD } }) },
    signal: AbortSignal.timeout(30_000),
    onProgress: ({ statusCode, reasonPhrase }) => console.log(statusCode, reasonPhrase),
  })
  console.log(`answered, ${call.media.codec.name}`)
  await call.record('call.wav')
  await call.sendDtmf('1w2#')
  await Promise.race([call.sleep(Number(process.env['SECONDS_UP'] ?? 10) * 1000), call.ended])
  const ended = await call.hangup()
  console.log(`ended by ${ended.by}: ${ended.cause}, ${(ended.durationMs / 1000).toFixed(1)} s`)
} catch (error) {
  if (!(error instanceof SipResponseError)) throw error
  console.error(`refused: ${error.statusCode} ${error.response.reasonPhrase}`)
  process.exitCode = 1
} finally {
  await endpoint.close()
}
