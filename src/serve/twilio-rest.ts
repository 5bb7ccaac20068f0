import type { Agent } from '../agent/agent.ts'
import { twilioRest } from '../agent/twilio-rest/twilio-rest.ts'
import { OptionError } from '../runtime/errors.ts'
import type { Runtime, TlsOptions } from '../runtime/runtime.ts'
import type { TwilioRestConfig } from './config.ts'
import { dial } from './twilio-dial.ts'
import type { DialHost } from './twilio-dial.ts'

/** What the server lends. */
export interface TwilioRestHost extends DialHost {
  readonly runtime: Pick<Runtime, 'clock' | 'network'>
  readonly tls: TlsOptions | undefined
}

/** Twilio's HTTP interface for the bots of one server, listening. */
export interface ServedTwilioRest {
  readonly accountSid: string
  /** `http://127.0.0.1:8081`: what bots take for `https://api.twilio.com`. */
  readonly url: string
  track(agent: Agent): Agent
  close(): Promise<void>
}

const defaults = { host: '127.0.0.1', accountSid: `AC${'0'.repeat(32)}` }

/** @throws OptionError; SipError SIP_TRANSPORT the port is taken */
export async function listenTwilioRest(
  config: TwilioRestConfig,
  host: TwilioRestHost,
): Promise<ServedTwilioRest> {
  const { accountSid = defaults.accountSid, authToken } = config
  const { runtime, tls } = host
  const rest = twilioRest({
    accountSid,
    authToken,
    runtime,
    dial: (session, target, signal) => dial(session, target, signal, host),
  })
  const listener = await rest
    .listen({ host: config.host ?? defaults.host, port: config.port, ...(tls !== undefined && { tls }) })
    .catch((error: unknown) => {
      // Of several certificates it has to be said which one cannot be used.
      if (!(error instanceof OptionError)) throw error
      const { field, message } = error
      throw new OptionError(`twilioRest.${field}`, message.slice(field.length + 2), { cause: error })
    })
  const { address, port, family } = listener.local
  return {
    accountSid,
    url: `${tls === undefined ? 'http' : 'https'}://${family === 6 ? `[${address}]` : address}:${port}`,
    track: agent => rest.track(agent),
    close: () => listener.close(),
  }
}
