import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadPrompt } from '../agent/demo-menu.ts'
import type { Call } from '../call/call.ts'
import { createEndpoint } from '../call/endpoint.ts'
import type { CallRecord } from '../trace/call-record.ts'
import { describeCall } from '../trace/call-record.ts'
import { Trace } from '../trace/trace.ts'
import { readArgs } from './args.ts'
import { makeFolder } from './call-files.ts'
import { CallListener } from './call-listener.ts'
import { delayOf } from './delay.ts'
import { startAgentProcess } from './demo-agent.ts'
import { giveUpMs } from './endpoint-options.ts'

export const demoHelp = `offhook demo: calls an agent in a second process over real UDP and checks all it shows (npm start)

  --out DIR          where call.wav, call.json and ladder.txt go (default offhook-demo)`

interface Check {
  readonly name: string
  readonly passed: boolean
  readonly measured: string
}

/** Runs the demo; the exit status is 0 only if every check passed. */
export async function demo(args: readonly string[]): Promise<number> {
  const options = readArgs(args, { out: { type: 'string', default: 'offhook-demo' } })
  const folder = options.text('out') ?? 'offhook-demo'
  makeFolder('--out', folder)
  console.log(
    'Offhook demo: an agent in its own process, and a caller who talks to it over UDP on this machine.\n',
  )
  const checks: Check[] = []
  const check = (name: string, passed: boolean, measured: string): void => {
    checks.push({ name, passed, measured })
    console.log(`  ${passed ? 'ok  ' : 'FAIL'}  ${name}: ${measured}`)
  }
  const { record, ladder } = await callAgent(folder, check)
  const passed = checks.length > 0 && checks.every(entry => entry.passed) && record !== undefined
  writeFileSync(join(folder, 'ladder.txt'), ladder)
  writeFileSync(join(folder, 'call.json'), `${JSON.stringify({ record, checks }, undefined, 2)}\n`)
  console.log(`\n${ladder}`)
  if (record !== undefined) console.log(`${describeCall(record)}\n`)
  console.log(
    `Written: ${['call.wav', 'call.json', 'ladder.txt'].map(name => join(folder, name)).join(', ')}`,
  )
  console.log(howToCall)
  console.log(
    passed ? `All ${checks.length} checks passed.` : 'The demo FAILED: see the lines above that say FAIL.',
  )
  return passed ? 0 : 1
}

interface Traced {
  readonly record: CallRecord | undefined
  readonly ladder: string
}

/** The whole call, with an agent in a process of its own that is gone afterwards, whatever happens. */
async function callAgent(folder: string, check: Checker): Promise<Traced> {
  const agent = await startAgentProcess(folder)
  let traced: Traced
  try {
    traced = await makeCall(agent.listen.replace('udp://', 'sip:menu@'), folder, check)
  } finally {
    await agent.stop()
  }
  check('the agent heard each key once, in order', agent.digits() === '21#9', `"${agent.digits()}"`)
  if (traced.record !== undefined) checkRecord(traced.record, check)
  return traced
}

async function makeCall(target: string, folder: string, check: Checker): Promise<Traced> {
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const trace = new Trace({ endpoint })
  try {
    console.log(`The caller calls ${target}`)
    const call = await endpoint.call(target, { signal: AbortSignal.timeout(10_000) })
    const recording = await call.record(join(folder, 'call.wav'))
    await converse(call, check)
    const ended = await Promise.race([call.ended, call.sleep(8_000).then(() => undefined)])
    check(
      'the agent says goodbye and hangs up',
      ended?.by === 'remote',
      ended === undefined ? 'it did not' : `ended by ${ended.by}`,
    )
    await call.hangup()
    const recorded = await recording.stop()
    check(
      'the recording has the whole call',
      recorded.durationMs > 5_000 && recorded.error === undefined,
      `${(recorded.durationMs / 1000).toFixed(1)} s`,
    )
  } finally {
    await endpoint.close({ giveUpMs })
  }
  const [id = ''] = trace.calls
  const traced = { record: trace.record(id), ladder: trace.ladder(id) ?? '' }
  trace.close()
  return traced
}

const howToCall = `
To talk to it yourself:
  npm run -s offhook -- answer --listen udp://0.0.0.0:5060 --agent menu
then call  sip:menu@ADDRESS-OF-THIS-MACHINE:5060  from any softphone (Linphone, baresip, MicroSIP, Zoiper): no account is needed.
`

type Checker = (name: string, passed: boolean, measured: string) => void

/** The caller's side of the conversation; each step is checked on what is heard. */
async function converse(call: Call, check: Checker): Promise<void> {
  const listener = new CallListener(call)
  const { output } = call.media

  const prompt = await listener.until(heard => heard.loudMs >= 300, 4_000)
  check(
    'the prompt is heard',
    prompt !== undefined,
    prompt === undefined ? 'silence' : `after ${prompt.afterMs.toFixed(0)} ms`,
  )
  await call.sleep(700)

  const toneHz = 440
  const interrupted = listener.until(heard => heard.toneMs(toneHz) >= 300, 4_000)
  await call.sendDtmf('2')
  const tone = await interrupted
  check(
    'a key interrupts the prompt (barge-in): a 440 Hz tone is heard instead',
    tone !== undefined,
    tone === undefined
      ? 'no tone'
      : `${(tone.afterMs - 300).toFixed(0)} ms after the key went down, ${tone.toneDbfs(toneHz).toFixed(1)} dBFS`,
  )
  await listener.until(heard => heard.quietMs >= 100, 3_000)

  await call.sendDtmf('1')
  await listener.until(heard => heard.loudMs >= 300, 3_000)
  await listener.until(heard => heard.quietMs >= 600, 8_000)
  const hello = await loadPrompt('caller-hello')
  const speech = await hello.readAll()
  listener.keep()
  await output.at(hello.sampleRate).write(speech)
  const played = await output.flush()
  await call.sleep(600)
  const echo = delayOf(speech, hello.sampleRate, listener.kept, listener.sampleRate)
  check(
    'what the caller says is heard back',
    echo !== undefined && echo.recognised > 0.7,
    echo === undefined
      ? 'not recognised'
      : `${(echo.recognised * 100).toFixed(0)} % of ${(played.playedMs / 1000).toFixed(1)} s of speech recognised`,
  )
  if (echo !== undefined) {
    check(
      'mouth-to-ear delay added by us stays under 150 ms',
      echo.delayMs / 2 < 150,
      `${(echo.delayMs / 2).toFixed(0)} ms one way (half of ${echo.delayMs.toFixed(0)} ms there and back)`,
    )
  }
  await call.sendDtmf('#')
  await call.sleep(400)
  await call.sendDtmf('9')
}

function checkRecord(record: CallRecord, check: Checker): void {
  const { media } = record
  check(
    'the record has the set-up time',
    record.setupMs !== undefined && record.setupMs < 2_000,
    `${record.setupMs?.toFixed(1)} ms from INVITE to 200`,
  )
  check(
    'no packet was lost',
    media !== undefined && media.lost === 0,
    media === undefined
      ? 'no media'
      : `${media.packetsReceived} received, ${media.lost} lost, jitter ${media.jitterMs} ms, ${media.concealedMs} ms concealed`,
  )
}
