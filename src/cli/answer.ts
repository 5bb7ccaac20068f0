import { join } from 'node:path'
import { agentSession } from '../agent/agent.ts'
import { createEndpoint } from '../call/endpoint.ts'
import type { IncomingCall } from '../call/incoming-call.ts'
import { describeCall } from '../trace/call-record.ts'
import { loadAgent } from './agents.ts'
import { readArgs } from './args.ts'
import { CallFiles, makeFolder } from './call-files.ts'
import { secondsOption, sessionTimerConfig, sessionTimerHelp, sessionTimerOption } from './control-options.ts'
import { reportDigits } from './digits.ts'
import { endpointOptions, endpointOptionsConfig, giveUpMs, tlsHelp } from './endpoint-options.ts'
import { onInterrupt } from './interrupt.ts'
import { recordFormatOption, recordingName } from './recording.ts'
import { register, registerConfig, registerHelp, registerOptions } from './register.ts'
import { codecNames } from '../media/codec/catalogue.ts'
import { Reporter } from './reporter.ts'

export const answerHelp: string = `offhook answer: answers every call with an agent, until Ctrl-C

  --listen URL       address to bind: udp, tcp, tls, ws or wss://HOST:PORT; may be repeated (default udp://0.0.0.0:5060)
  --agent NAME|FILE  echo, menu, or a module that exports an agent (default echo)
  --record DIR       record each call to DIR/ID.wav, the caller left, the agent right
  --record-format F  pcm (default), pcmu, pcma, or opus to DIR/ID.opus
  --trace DIR        write DIR/calls.jsonl (records) and DIR/ID.ladder.txt
  --advertise HOST   address others must use (NAT, container)
  --rtp MIN-MAX      UDP ports for audio (default 10000-20000)
  --codecs LIST      in order of preference (default PCMU,PCMA), of ${codecNames.join(', ')}
  --srtp MODE        off (default), optional, or required: SRTP with keys in the SDP
${tlsHelp}
${registerHelp}
  --max-duration SECONDS  hang up so long after the answer (default: never)
${sessionTimerHelp}
  --mask-digits      show * for each digit that is pressed, everywhere
  --json             one JSON object a line`

/** Runs until interrupted; resolves to the exit status. */
export async function answer(args: readonly string[]): Promise<number> {
  const options = readArgs(args, {
    ...endpointOptionsConfig,
    ...registerConfig,
    ...sessionTimerConfig,
    'max-duration': { type: 'string' },
    agent: { type: 'string', default: 'echo' },
    record: { type: 'string' },
    'record-format': { type: 'string' },
    trace: { type: 'string' },
    'mask-digits': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  })
  const registration = registerOptions(options)
  const reporter = new Reporter({ json: options.flag('json') })
  const name = options.text('agent') ?? 'echo'
  const agent = await loadAgent(name)
  const recordings = options.text('record')
  if (recordings !== undefined) makeFolder('--record', recordings)
  const format = recordFormatOption(options.text('record-format'))
  const maxDurationMs = secondsOption(options, 'max-duration')
  const endpoint = await createEndpoint({
    ...endpointOptions(options, 'udp://0.0.0.0:5060'),
    ...sessionTimerOption(options),
    ...(maxDurationMs === undefined ? {} : { maxDurationMs }),
  })
  const maskDigits = options.flag('mask-digits')
  const complain = (message: string): void => reporter.say({ event: 'error', message }, `error: ${message}`)
  let files: CallFiles
  try {
    files = new CallFiles(endpoint, {
      folder: options.text('trace'),
      maskDigits,
      onRecord: record => reporter.say({ event: 'ended', ...record }, describeCall(record)),
      onFailure: complain,
    })
  } catch (error) {
    await endpoint.close()
    throw error
  }
  endpoint.on('error', error => complain(error.message))
  reporter.say(
    { event: 'listening', listen: endpoint.listening },
    `answering on ${endpoint.listening.join(', ')} with the agent ${name}; Ctrl-C ends it`,
  )

  const answerCall = async (call: IncomingCall): Promise<void> => {
    const { remote, local } = call
    reporter.say(
      { event: 'call', id: call.id, callId: call.callId, from: remote.uriText, to: local.uriText },
      `call ${call.id} from ${remote.uriText}`,
    )
    await call.answer()
    if (recordings !== undefined) {
      await call
        .record(join(recordings, recordingName(call.id, format)), { format })
        .catch((error: unknown) => complain(`call ${call.id} is not recorded: ${(error as Error).message}`))
    }
    await agent.run(agentSession(call))
  }

  const status = reporter.live
    ? setInterval(() => reporter.status(statusLine(endpoint.calls)), 500)
    : undefined
  const stopReporting = reportDigits(reporter, maskDigits)
  const stop = (): void => void endpoint.close({ giveUpMs })
  const forget = onInterrupt(stop)
  const served = endpoint.serve(answerCall)
  if (registration !== undefined) register(endpoint, registration, reporter)
  reporter.whenClosed(stop)
  await served
  forget()
  stopReporting()
  clearInterval(status)
  files.close()
  if (files.failedWrites > 0)
    complain(`${files.failedWrites} files or lines of the trace could not be written`)
  reporter.end()
  return 0
}

function statusLine(
  calls: readonly { readonly media: { stats(): { packetsReceived: number; lost: number } } }[],
): string {
  let packets = 0
  let lost = 0
  for (const call of calls) {
    try {
      const stats = call.media.stats()
      packets += stats.packetsReceived
      lost += stats.lost
    } catch {
      // Not answered yet: no media.
    }
  }
  return `${calls.length} ${calls.length === 1 ? 'call' : 'calls'} up, ${packets} packets in, ${lost} lost`
}
