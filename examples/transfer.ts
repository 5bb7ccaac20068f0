// Answers, and sends callers on: 1 blind to DESK, 2 after asking the desk. Takes the transfers that callers ask for.
//   DESK=sip:desk@127.0.0.1:5070 LISTEN=udp://127.0.0.1:5060 node dist/examples/transfer.js
import { type Call, createEndpoint } from 'offhook'

const { DESK = 'sip:desk@127.0.0.1:5070', LISTEN = 'udp://0.0.0.0:5060' } = process.env
const endpoint = await createEndpoint({ listen: [LISTEN] })
process.once('SIGINT', () => void endpoint.close())
console.log(`listening on ${endpoint.listening.join(', ')}`)

async function sendOn(call: Call, digit: string): Promise<boolean> {
  if (digit === '1') {
    const result = await call.transfer(DESK, { hold: true })
    console.log(`blind: ${result.outcome}, ${result.reason}`)
    return result.outcome === 'transferred'
  }
  await call.hold()
  const consultation = await endpoint.call(DESK, { signal: call.signal })
  // Here the agent would tell the desk who is calling.
  const result = await call.transfer(consultation)
  console.log(`attended: ${result.outcome}, ${result.reason}`)
  if (result.outcome === 'transferred') return true
  await Promise.all([consultation.hangup(), call.resume()])
  return false
}

await endpoint.serve(async call => {
  if (call.replaces !== undefined) console.log('takes the place of another call')
  call.on('transfer', request => {
    // Anybody may ask: take only those to people you know.
    if (request.target.uri.toString() !== DESK) return request.reject(603)
    request.accept().then(
      next => console.log(`transferred, ${next.state}`),
      (error: unknown) => console.log(`not transferred: ${String(error)}`),
    )
  })
  await call.answer()
  for await (const { digit } of call.dtmf()) {
    if ((digit === '1' || digit === '2') && (await sendOn(call, digit))) break
  }
  await call.sleep(2000)
})
