import type { Call } from '../call/call.ts'
import type { CallEnded } from '../call/call-ended.ts'
import { parseTarget } from '../call/checks.ts'
import { createEndpoint } from '../call/endpoint.ts'
import type { Endpoint } from '../call/endpoint.ts'
import { parseTransferTarget } from '../call/transfer-options.ts'
import type { TransferResult } from '../call/transfer-options.ts'
import type { Trunk } from '../call/trunk.ts'
import type { Recording } from '../media/audio/recording.ts'
import { WavReader } from '../media/audio/wav-reader.ts'
import { TelephoneEventSender } from '../media/rtp/telephone-event.ts'
import { OptionError, SipError } from '../runtime/errors.ts'
import { describeCall } from '../trace/call-record.ts'
import { readArgs } from './args.ts'
import { CallFiles } from './call-files.ts'
import {
  longestSeconds,
  sessionTimerConfig,
  sessionTimerHelp,
  sessionTimerOption,
} from './control-options.ts'
import { reportDigits } from './digits.ts'
import { endpointOptions, endpointOptionsConfig, giveUpMs, tlsHelp } from './endpoint-options.ts'
import { onInterrupt } from './interrupt.ts'
import { Reporter } from './reporter.ts'

export const callHelp: string = `offhook call URI: makes one call; status 0 only if it was answered and ended normally

  --listen URL        address to bind (default udp://0.0.0.0:0)
  --play FILE.wav     play a file once the call is up
  --dtmf DIGITS       then press digits, w waits half a second
  --transfer URI      then ask the other side to call that one (REFER); status 1 unless it reaches it
  --duration SECONDS  hang up so long after the answer (default: when played, pressed and transferred; else when the other side does)
  --record FILE.wav   record, the other side left, we right
  --user U            user name for 401 and 407, and the user in From
  --password P        its password; better in the environment as OFFHOOK_PASSWORD, for ps shows arguments
  --from URI          who calls
  --proxy URI         outbound proxy
  --ring SECONDS      give up when nobody answers for so long (default 60)
  --redirects N       follow a 3xx to so many further addresses (default 0)
  --ladder FILE       write the ladder of messages
  --advertise HOST, --rtp MIN-MAX, --codecs LIST, --srtp MODE as for answer
${tlsHelp}
${sessionTimerHelp}
  --mask-digits       show * for each digit, everywhere
  --json              one JSON object a line`

type Args = ReturnType<typeof readArgs>

/** Makes the call; resolves to the exit status. */
export async function call(args: readonly string[]): Promise<number> {
  const options = readArgs(args, optionsConfig, { allowPositionals: true })
  const [target, ...rest] = options.positionals
  if (target === undefined)
    throw new OptionError('URI', 'say whom to call, for example sip:echo@127.0.0.1:5060')
  if (rest.length > 0) throw new OptionError('URI', `one call at a time; what is "${rest.join(' ')}"?`)
  const plan = await planOf(options, target)
  const reporter = new Reporter({ json: options.flag('json') })
  const endpoint = await createEndpoint({
    ...endpointOptions(options, 'udp://0.0.0.0:0'),
    ...sessionTimerOption(options),
  })
  const complain = (message: string): void => reporter.say({ event: 'error', message }, `error: ${message}`)
  const maskDigits = options.flag('mask-digits')
  const files = new CallFiles(endpoint, {
    folder: undefined,
    maskDigits,
    onRecord: record => reporter.say({ event: 'ended', ...record }, describeCall(record)),
    onFailure: complain,
  })
  const stopReporting = reportDigits(reporter, maskDigits)
  try {
    return await dial(endpoint, target, plan, reporter)
  } finally {
    await endpoint.close({ giveUpMs })
    stopReporting()
    const ladder = options.text('ladder')
    const id = files.trace.calls.at(-1)
    if (ladder !== undefined && id !== undefined) files.writeLadder(id, ladder)
    files.close()
    reporter.end()
  }
}

const optionsConfig = {
  ...endpointOptionsConfig,
  ...sessionTimerConfig,
  transfer: { type: 'string' },
  redirects: { type: 'string' },
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
  'mask-digits': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

/** What to do, checked before anybody is called. */
interface Plan {
  readonly trunk: Trunk | undefined
  readonly from: string | undefined
  readonly ringSeconds: number
  readonly seconds: number | undefined
  readonly audio: WavReader | undefined
  readonly digits: string | undefined
  readonly transferTo: string | undefined
  readonly redirects: number
  readonly recordTo: string | undefined
}

async function planOf(options: Args, target: string): Promise<Plan> {
  const play = options.text('play')
  const digits = options.text('dtmf')
  if (digits !== undefined) checkDigits(digits)
  checkUris(options, target)
  const transferTo = options.text('transfer')
  if (transferTo !== undefined) parseTransferTarget(transferTo, '--transfer')
  const redirects = options.number('redirects', 100) ?? 0
  if (!Number.isInteger(redirects)) throw new OptionError('--redirects', `${redirects} is not a whole number`)
  const ringSeconds = options.number('ring', longestSeconds) ?? 60
  if (ringSeconds === 0) throw new OptionError('--ring', '0 lets nothing ring; give seconds')
  return {
    trunk: trunkOf(options, target),
    from: options.text('from'),
    ringSeconds,
    seconds: options.number('duration', longestSeconds),
    audio: play === undefined ? undefined : await openAudio(play),
    digits,
    transferTo,
    redirects,
    recordTo: options.text('record'),
  }
}

function checkUris(options: Args, target: string): void {
  parseTarget(target, 'URI')
  for (const name of ['from', 'proxy']) {
    const value = options.text(name)
    if (value !== undefined) parseTarget(value, `--${name}`)
  }
}

function checkDigits(digits: string): void {
  try {
    new TelephoneEventSender({ clockRate: 8000 }).start(digits)
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause
    throw new OptionError('--dtmf', cause.message.replace(`${cause.field}: `, ''), { cause })
  }
}

async function openAudio(file: string): Promise<WavReader> {
  try {
    return await WavReader.open(file)
  } catch (cause) {
    throw new OptionError('--play', `${file} cannot be played: ${(cause as Error).message}`, { cause })
  }
}

async function dial(endpoint: Endpoint, target: string, plan: Plan, reporter: Reporter): Promise<number> {
  const { trunk, from, ringSeconds, redirects } = plan
  const giveUp = new AbortController()
  let current: Call | undefined
  let interrupted = false
  const stop = (): void => {
    interrupted = true
    if (current === undefined) giveUp.abort(new SipError('SIP_STATE', 'interrupted'))
    else void current.hangup()
  }
  const forget = onInterrupt(stop)
  reporter.whenClosed(stop)
  const ringing = setTimeout(() => {
    giveUp.abort(new SipError('SIP_TIMEOUT', `nobody answered within ${ringSeconds} s`))
  }, ringSeconds * 1000)
  try {
    reporter.say({ event: 'calling', target }, `calling ${target}`)
    current = await endpoint.call(target, {
      signal: giveUp.signal,
      // The timer above is to come first: it counts in seconds, as --ring does.
      ringTimeoutMs: (ringSeconds + 1) * 1000,
      ...(trunk === undefined ? {} : { trunk }),
      ...(redirects === 0 ? {} : { followRedirects: { max: redirects } }),
      ...(from === undefined ? {} : { from }),
      onProgress: ({ statusCode, reasonPhrase }) =>
        reporter.say({ event: 'progress', statusCode, reasonPhrase }, `${statusCode} ${reasonPhrase}`),
    })
    clearTimeout(ringing)
    return (await talk(current, plan, reporter)) ? 0 : 1
  } catch (error) {
    if (error instanceof OptionError && current === undefined) throw error
    const { message, code } = error as Error & { code?: string }
    reporter.say({ event: 'failed', code, message }, `the call failed: ${message}`)
    return interrupted && current === undefined ? 130 : 1
  } finally {
    clearTimeout(ringing)
    forget()
  }
}

/** However this ends, the call is over then, and the recording written. True: it went as it was to go. */
async function talk(call: Call, plan: Plan, reporter: Reporter): Promise<boolean> {
  const { codec } = call.media
  reporter.say(
    { event: 'answered', id: call.id, callId: call.callId, codec: codec.name },
    `answered, ${codec.name}`,
  )
  const status = reporter.live ? setInterval(() => reporter.status(statusLine(call)), 500) : undefined
  let recording: Recording | undefined
  try {
    if (plan.recordTo !== undefined) recording = await call.record(plan.recordTo)
    const transfer = await converse(call, plan)
    if (transfer !== undefined) reportTransfer(transfer, reporter)
    const went = plan.transferTo === undefined || transfer?.outcome === 'transferred'
    return normal(await call.hangup()) && went
  } finally {
    clearInterval(status)
    await call.hangup()
    const recorded = await recording?.stop()
    if (recorded?.error !== undefined) {
      const message = `the recording broke off: ${recorded.error.message}`
      reporter.say({ event: 'error', message }, `error: ${message}`)
    }
  }
}

function reportTransfer({ outcome, cause, statusCode, reason }: TransferResult, reporter: Reporter): void {
  reporter.say({ event: 'transfer', outcome, cause, statusCode, reason }, `transfer ${outcome}: ${reason}`)
}

/** Plays, presses and transfers; resolves when it is time to hang up, or the call is over. */
async function converse(call: Call, plan: Plan): Promise<TransferResult | undefined> {
  const { audio, digits, seconds, transferTo } = plan
  const { signal } = call
  let transfer: TransferResult | undefined
  const script = async (): Promise<void> => {
    if (audio !== undefined) await call.media.output.play(audio, { signal })
    if (digits !== undefined) await call.sendDtmf(digits, { signal })
    if (transferTo !== undefined && !signal.aborted) transfer = await call.transfer(transferTo)
  }
  const played = script().catch((error: unknown) => {
    if (error !== signal.reason) throw error
  })
  const scripted = audio !== undefined || digits !== undefined || transferTo !== undefined
  // A script that fails ends the call at any time; one that is done ends it where nothing else was asked for.
  const time: Promise<unknown> =
    seconds !== undefined ? call.sleep(seconds * 1000) : scripted ? played : call.ended
  await Promise.race([call.ended, time, played.then(() => time)])
  // The other side may hang up before it tells how a transfer went; that is waited for 2 s.
  if (transferTo !== undefined && signal.aborted) await played
  return transfer
}

/** An audio or signalling failure is not a normal end, whoever hung up. */
function normal(ended: CallEnded): boolean {
  return ended.cause === 'hangup'
}

function trunkOf(options: Args, target: string): Trunk | undefined {
  const user = options.text('user')
  const given = options.text('password')
  const password = given ?? process.env['OFFHOOK_PASSWORD']
  const proxy = options.text('proxy')
  if (user === undefined && proxy === undefined) {
    if (given !== undefined) throw new OptionError('--user', 'a password needs a user name')
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
