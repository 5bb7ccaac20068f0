// Asks for a number that ends with #, by whichever road its digits come; a key stops the prompt, and who hesitates is asked again.
//   node dist/examples/collect-digits.js   then call sip:number@127.0.0.1:5060 and press, say, 4711#
import { createEndpoint, type Call, type DtmfDigit } from 'offhook'
import { silence, tone } from 'offhook/audio'

const most = 8
const patienceMs = Number(process.env['PATIENCE_MS'] ?? 5000)

const endpoint = await createEndpoint({
  listen: [process.env['LISTEN'] ?? 'udp://127.0.0.1:5060'],
  dtmf: { receive: ['rtp', 'info', 'inband'], inband: 'always' },
})
console.log(`answering on ${endpoint.listening.join(' and ')}`)
process.once('SIGINT', () => void endpoint.close())

await endpoint.serve(async call => {
  await call.answer()
  call.on('dtmfStart', () => call.media.output.clear()) // the key is still down
  let digits: readonly DtmfDigit[] | undefined
  let attempt = 0
  while (digits === undefined && attempt < 3 && !call.signal.aborted) {
    attempt += 1
    void prompt(call)
    digits = await collect(call)
  }
  const roads = [...new Set(digits?.map(({ via }) => via))].join(', ')
  const number = digits?.map(({ digit }) => digit).join('') ?? 'nothing'
  console.log(`${number} by ${roads || 'no road'}, attempt ${attempt}`)
  await call.hangup()
})

/** Two rising notes, for want of a voice. */
async function prompt(call: Call): Promise<void> {
  const { output } = call.media
  const { sampleRate } = output
  for (const hz of [520, 660]) await output.write(tone({ sampleRate, hz, durationMs: 300, levelDbfs: -20 }))
  await output.write(silence(sampleRate, 200))
}

/** What is pressed up to #, or up to the last digit there may be; undefined when the caller waits too long. */
async function collect(call: Call): Promise<readonly DtmfDigit[] | undefined> {
  const pressed: DtmfDigit[] = []
  const keys = call.dtmf()[Symbol.asyncIterator]()
  while (pressed.length < most) {
    const next = await Promise.race([keys.next(), call.sleep(patienceMs)])
    if (next === undefined || next.done === true) {
      await keys.return?.()
      return undefined
    }
    if (next.value.digit === '#') break
    pressed.push(next.value)
  }
  await keys.return?.()
  return pressed
}
