import type { TrunkState } from '../call/trunks/health.ts'
import { describeCall } from '../trace/call-record.ts'
import type { CallRecord } from '../trace/call-record.ts'
import type { ConfigProblem } from './problems.ts'
import { writeProblem } from './problems.ts'

/** What a server tells, without secrets. */
export type ServeEvent =
  | {
      readonly event: 'listening'
      readonly listen: readonly string[]
      readonly health?: string
      readonly streams?: string
      readonly twilioRest?: string
    }
  | {
      readonly event: 'call'
      readonly id: string
      readonly callId: string
      readonly from: string
      readonly to: string
    }
  | ({ readonly event: 'ended' } & CallRecord)
  | { readonly event: 'trunk'; readonly trunk: string; readonly state: TrunkState; readonly reason?: string }
  | {
      readonly event: 'registration'
      readonly trunk: string
      readonly state: 'registered' | 'failed' | 'unregistered'
      readonly reason?: string
    }
  | {
      readonly event: 'reloaded'
      readonly trunks: readonly string[]
      readonly agents: number
      /** Changed, and in force only after a restart. */
      readonly needRestart: readonly string[]
    }
  | { readonly event: 'reload-refused'; readonly problems: readonly ConfigProblem[] }
  | { readonly event: 'draining'; readonly calls: number; readonly limitMs: number }
  | { readonly event: 'stopped' }
  | { readonly event: 'error'; readonly message: string }

type Writers = {
  readonly [Name in ServeEvent['event']]: (event: Extract<ServeEvent, { readonly event: Name }>) => string
}

const writers: Writers = {
  listening: ({ listen, health, streams, twilioRest }) =>
    `serving on ${listen.join(', ')}${streams === undefined ? '' : `; carriers' streams on ${streams}`}${health === undefined ? '' : `; health on ${health}`}${twilioRest === undefined ? '' : `; Twilio's interface for bots on ${twilioRest}`}`,
  call: ({ id, from }) => `call ${id} from ${from}`,
  ended: describeCall,
  trunk: ({ trunk, state, reason }) =>
    `trunk ${trunk} is ${state}${reason === undefined ? '' : `: ${reason}`}`,
  registration: ({ trunk, state, reason }) =>
    `trunk ${trunk}: registration ${state}${reason === undefined ? '' : `: ${reason}`}`,
  reloaded: ({ trunks, agents, needRestart }) =>
    `the configuration was read anew: ${agents} agents, trunks that changed: ${trunks.length === 0 ? 'none' : trunks.join(', ')}${needRestart.length === 0 ? '' : `; only after a restart: ${needRestart.join(', ')}`}`,
  'reload-refused': ({ problems }) =>
    `the new configuration is not taken, the old one goes on:\n${problems.map(writeProblem).join('\n')}`,
  draining: ({ calls, limitMs }) =>
    `no new calls; ${calls} under way may take ${limitMs / 1000} s; once more ends at once`,
  stopped: () => 'stopped',
  error: ({ message }) => `error: ${message}`,
}

/** One sentence, for people. */
export function describeEvent(event: ServeEvent): string {
  return (writers[event.event] as (event: ServeEvent) => string)(event)
}
