/** Every scenario in `sipp/`, and how each is run. What it is about stands in the file. */

export interface CallerScenario {
  /** The user that SIPp dials. `echo` is `offhook answer --agent echo`, any other the endpoint of `endpoint.ts`. Default `echo`. */
  readonly user?: 'echo' | 'ring' | 'silent' | 'busy' | 'bye' | 'early' | 'hold'
  /** Default both. */
  readonly transports?: readonly ('udp' | 'tcp')[]
  /** The scenario looks at repeated messages itself. */
  readonly seesRepeats?: boolean
  readonly timeoutMs?: number
}

export interface CalleeScenario {
  readonly transports?: readonly ('udp' | 'tcp')[]
  readonly seesRepeats?: boolean
  readonly timeoutMs?: number
  /** For `offhook call`. Default: hang up a second after the answer. */
  readonly args?: readonly string[]
  /** Ctrl-C so long after the start of the call. */
  readonly interruptAfterMs?: number
  /** Exit status of `offhook call`. Default 0. */
  readonly exit?: number
}

const udp = ['udp'] as const
const repeats = { seesRepeats: true } as const
const credentials = ['--user', 'alice', '--password', 'wonderland', '--duration', '1'] as const

export const callerScenarios: Readonly<Record<string, CallerScenario>> = {
  'caller-no-ack': { transports: udp, timeoutMs: 45_000 },
  'caller-basic': {},
  'caller-compact': {},
  'caller-spelling': {},
  'caller-large': { transports: ['tcp', 'udp'] },
  'caller-lost-ack': repeats,
  'caller-lost-200': { ...repeats, transports: udp },
  'caller-invite-twice': { transports: udp },
  'caller-cancel-before-180': { user: 'silent' },
  'caller-cancel-after-180': { user: 'ring' },
  'caller-cancel-late': {},
  'caller-cancel-unknown': {},
  'caller-late-offer': {},
  'caller-hold': {},
  'caller-hold-legacy': {},
  'caller-reinvite-codec': {},
  'caller-reinvite-no-sdp': {},
  'caller-reinvite-refused': {},
  'caller-rfc2543': {},
  'caller-ack-wrong-branch': { ...repeats, transports: udp },
  'caller-busy-lost-ack': { ...repeats, transports: udp, user: 'busy' },
  'caller-unknown-method': {},
  'caller-not-allowed': {},
  'caller-unknown-dialog': {},
  'caller-options': {},
  'caller-options-in-dialog': {},
  'caller-require': {},
  'caller-content-type': {},
  'caller-no-codec': {},
  'caller-uri-scheme': {},
  'caller-version': {},
  'caller-max-forwards': {},
  'caller-cseq-low': {},
  'caller-bye-before-ack': { ...repeats, transports: udp },
  'caller-bye-twice': { ...repeats, transports: udp },
  'caller-merged': { ...repeats, transports: udp, user: 'ring' },
  'caller-refused': { user: 'busy' },
  'caller-hung-up': { user: 'bye' },
  'caller-bye-crossing': { user: 'bye' },
  'caller-record-route': { user: 'bye', transports: udp },
  'caller-early-media': { user: 'early' },
  'caller-prack': { user: 'early' },
  'caller-prack-lost-18x': { ...repeats, user: 'early' },
  'caller-prack-lost-200': { ...repeats, transports: udp, user: 'early' },
  'caller-prack-wrong-rack': { user: 'early' },
  'caller-prack-never': { ...repeats, transports: udp, user: 'early', timeoutMs: 45_000 },
  'caller-prack-offer': { user: 'early' },
  'caller-prack-late-offer': { user: 'early' },
  'caller-require-100rel': { user: 'ring' },
  'caller-update': {},
  'caller-update-early': { user: 'early' },
  'caller-update-too-soon': { user: 'ring' },
  'caller-updated': { user: 'hold' },
}

export const calleeScenarios: Readonly<Record<string, CalleeScenario>> = {
  'callee-basic': {},
  'callee-hangs-up': { args: [] },
  'callee-401': { args: credentials },
  'callee-407': { args: credentials },
  'callee-401-sha256': { args: credentials },
  'callee-401-stale': { args: credentials },
  'callee-401-again': { transports: udp, args: credentials, exit: 1 },
  'callee-forked-18x': {},
  'callee-forked-200': { ...repeats, transports: udp, args: ['--duration', '3'] },
  'callee-200-twice': { ...repeats, transports: udp, args: ['--duration', '2'] },
  'callee-redirect': { transports: udp, exit: 1 },
  'callee-busy': { exit: 1 },
  'callee-silent': { ...repeats, transports: udp, timeoutMs: 40_000, exit: 1 },
  'callee-early-media': {},
  'callee-record-route': { transports: udp },
  'callee-hold': { args: ['--duration', '2'] },
  'callee-bye-crossing': {},
  'callee-cancelled': { args: [], interruptAfterMs: 1500, exit: 130 },
  'callee-cancel-waits': { args: [], interruptAfterMs: 1500, exit: 130, transports: udp },
  'callee-cancel-crossing': { args: [], interruptAfterMs: 1500, exit: 130 },
  'callee-prack': {},
  'callee-prack-lost': { ...repeats, transports: udp },
  'callee-prack-order': {},
  'callee-update': {},
  'callee-update-early': {},
  'callee-update-glare': {},
}
