import { writeFileSync } from 'node:fs'
import type { Call } from '../call/call.ts'
import type { CallEnded } from '../call/call-ended.ts'
import { createEndpoint } from '../call/endpoint.ts'
import type { Endpoint } from '../call/endpoint.ts'
import type { Trunk } from '../call/trunk.ts'
import { WavReader } from '../media/audio/wav-reader.ts'
import { OptionError } from '../runtime/errors.ts'
import { describeCall } from '../trace/call-record.ts'
import { readArgs } from './args.ts'
import { CallFiles } from './call-files.ts'
import { reportDigits } from './digits.ts'
import { endpointOptions, endpointOptionsConfig } from './endpoint-options.ts'
import { onInterrupt } from './interrupt.ts'
import { Reporter } from './reporter.ts'

export const callHelp = `offhook call URI: makes one call; status 0 only if it was answered and ended normally

  --listen URL        address to bind (default udp://0.0.0.0:0)
  --play FILE.wav     play a file once the call is up
  --dtmf DIGITS       then press digits, w waits half a second
  --duration SECONDS  hang up so long after the answer (default: when played and pressed; else when the other side does)
  --record FILE.wav   record, the other side left, we right
  --user U            user name for 401 and 407, and the user in From
  --password P        its password
  --from URI          who calls
  --proxy URI         outbound proxy
  --ring SECONDS      give up when nobody answers for so long (default 60)
  --ladder FILE       write the ladder of messages
  --advertise HOST, --rtp MIN-MAX, --codecs LIST as for answer
  --json              one JSON object a line`

type Args = ReturnType<typeof readArgs>

/** Makes the call; resolves to the exit status. */
export async function call(args: readonly string[]): Promise<number> {
  const options = readArgs(args, {
    ...endpointOptionsConfig,
    play: { type: 'string' },
    dtmf: { type: 'string' },
    duration: { type: 'string' },
    record: { type: 'string' },
    user: { type: 'string' },
    password: { type: 'string' },
    from: { type: 'string' },
    proxy: { type: 'string' },
    ring: { type: 'string' },
    ladder: { type: 'string' },
    json: { type: 'boolean', default: false },
  })
  const [target, ...rest] = options.positionals
  if (target === undefined)
    throw new OptionError('URI', 'say whom to call, for example sip:echo@127.0.0.1:5060')
  if (rest.length > 0) throw new OptionError('URI', `one call at a time; what is "${rest.join(' ')}"?`)
  const reporter = new Reporter({ json: options.flag('json') })
  const audio = options.text('play')
  const file = audio === undefined ? undefined : await WavReader.open(audio)
  const endpoint = await createEndpoint(endpointOptions(options, 'udp://0.0.0.0:0'))
  const files = new CallFiles(endpoint, undefined, record =>
    reporter.say({ event: 'ended', ...record }, describeCall(record)),
  )
  const stopReporting = reportDigits(reporter)
  try {
    return await dial(endpoint, target, file, options, reporter)
  } finally {
    await endpoint.close()
    stopReporting()
    const ladder = options.text('ladder')
    const id = files.trace.calls.at(-1)
    if (ladder !== undefined && id !== undefined) writeFileSync(ladder, files.trace.ladder(id) ?? '')
    files.close()
    reporter.end()
  }
}

async function dial(
  endpoint: Endpoint,
  target: string,
  file: WavReader | undefined,
  options: Args,
  reporter: Reporter,
): Promise<number> {
  const giveUp = new AbortController()
  let current: Call | undefined
  const forget = onInterrupt(() => {
    if (current === undefined) giveUp.abort(new Error('interrupted'))
    else void current.hangup()
  })
  const ringMs = (options.number('ring') ?? 60) * 1000
  const trunk = trunkOf(options, target)
  const from = options.text('from')
  try {
    reporter.say({ event: 'calling', target }, `calling ${target}`)
    current = await endpoint.call(target, {
      signal: AbortSignal.any([giveUp.signal, AbortSignal.timeout(ringMs)]),
      ...(trunk === undefined ? {} : { trunk }),
      ...(from === undefined ? {} : { from }),
      onProgress: ({ statusCode, reasonPhrase }) =>
        reporter.say({ event: 'progress', statusCode, reasonPhrase }, `${statusCode} ${reasonPhrase}`),
    })
    return normal(await talk(current, file, options, reporter)) ? 0 : 1
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    reporter.say({ event: 'failed', code, message }, `the call failed: ${message}`)
    return giveUp.signal.aborted ? 130 : 1
  } finally {
    forget()
  }
}

async function talk(
  call: Call,
  file: WavReader | undefined,
  options: Args,
  reporter: Reporter,
): Promise<CallEnded> {
  const { codec } = call.media
  reporter.say(
    { event: 'answered', id: call.id, callId: call.callId, codec: codec.name },
    `answered, ${codec.name}`,
  )
  const status = reporter.live ? setInterval(() => reporter.status(statusLine(call)), 500) : undefined
  const recordTo = options.text('record')
  const recording = recordTo === undefined ? undefined : await call.record(recordTo)
  const seconds = options.number('duration')
  const digits = options.text('dtmf')
  const elapsed = seconds === undefined ? undefined : call.sleep(seconds * 1000)
  const script = (async () => {
    if (file !== undefined) await call.media.output.play(file, { signal: call.signal })
    if (digits !== undefined) await call.sendDtmf(digits, { signal: call.signal })
  })()
  if (elapsed !== undefined) await Promise.race([elapsed, call.ended])
  else if (file !== undefined || digits !== undefined) await Promise.race([script, call.ended])
  else await call.ended
  const ended = await call.hangup()
  await script.catch((error: unknown) => {
    if (error !== call.signal.reason) throw error
  })
  await recording?.stop()
  clearInterval(status)
  return ended
}

/** An audio or signalling failure is not a normal end, whoever hung up. */
function normal(ended: CallEnded): boolean {
  return ended.cause === 'hangup'
}

function trunkOf(options: Args, target: string): Trunk | undefined {
  const user = options.text('user')
  const password = options.text('password')
  const proxy = options.text('proxy')
  if (user === undefined && proxy === undefined) {
    if (password !== undefined) throw new OptionError('--user', 'a password needs a user name')
    return undefined
  }
  const host = /@(?<host>[^;?>]+)/.exec(target)?.groups?.['host'] ?? target.replace(/^sips?:/, '')
  return {
    aor: options.text('from') ?? `sip:${user ?? 'offhook'}@${host}`,
    ...(proxy === undefined ? {} : { outboundProxy: proxy }),
    ...(user === undefined ? {} : { credentials: { username: user, password: password ?? '' } }),
  }
}

function statusLine(call: Call): string {
  const { packetsReceived, packetsSent, lost, jitterMs } = call.media.stats()
  return `up: ${packetsReceived} packets in, ${packetsSent} out, ${lost} lost, jitter ${jitterMs.toFixed(1)} ms`
}
