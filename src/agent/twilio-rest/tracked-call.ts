import type { Agent, AgentSession } from '../agent.ts'
import type { TwimlVerb } from './twiml.ts'

export interface VerbHooks {
  /** Passes the caller on; true: the other one has the call, and nothing is left to do. */
  readonly dial: (session: AgentSession, target: string, signal: AbortSignal) => Promise<boolean>
  readonly say: ((session: AgentSession, text: string, signal: AbortSignal) => Promise<void>) | undefined
}

/** One call that bots may know by its CallSid. */
export class TrackedCall {
  readonly sid: string
  readonly session: AgentSession
  readonly startedAt: number
  endedAt: number | undefined
  #part = new AbortController()
  #next: readonly TwimlVerb[] | undefined
  #left = false

  constructor(sid: string, session: AgentSession, startedAt: number) {
    this.sid = sid
    this.session = session
    this.startedAt = startedAt
  }

  get isOver(): boolean {
    return this.endedAt !== undefined
  }

  /** What runs now is stopped, and these verbs take its place. False: nothing of it runs here any more. */
  takeOver(verbs: readonly TwimlVerb[]): boolean {
    if (this.#left || this.session.signal.aborted) return false
    this.#next = verbs
    this.#part.abort(new Error('the call was given other TwiML'))
    return true
  }

  /** The bot first, then what it is replaced by, until one of them comes to its end. */
  async run(agent: Agent, hooks: VerbHooks): Promise<void> {
    try {
      await this.#partOf(signal => agent.run(this.#view(signal)))
      for (let verbs = this.#take(); verbs !== undefined; verbs = this.#take()) {
        const now = verbs
        this.session.output.clear()
        await this.#partOf(signal => this.#perform(now, hooks, signal))
      }
    } finally {
      this.#left = true
    }
  }

  #take(): readonly TwimlVerb[] | undefined {
    const verbs = this.session.signal.aborted ? undefined : this.#next
    this.#next = undefined
    return verbs
  }

  /** Goes on at once when somebody takes over, also where what runs does not listen to its signal. */
  async #partOf(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const part = new AbortController()
    this.#part = part
    const { signal } = this.session
    const ended = (): void => part.abort(signal.reason)
    if (signal.aborted) ended()
    signal.addEventListener('abort', ended)
    try {
      const work = run(part.signal)
      const replaced = new Promise<void>(resolve => {
        part.signal.addEventListener('abort', () => {
          if (this.#next !== undefined) resolve()
        })
      })
      work.catch(() => {})
      await Promise.race([work, replaced])
    } finally {
      signal.removeEventListener('abort', ended)
    }
  }

  async #perform(verbs: readonly TwimlVerb[], hooks: VerbHooks, signal: AbortSignal): Promise<void> {
    const { session } = this
    for (const verb of verbs) {
      if (signal.aborted) return
      switch (verb.verb) {
        case 'dial':
          for (const target of verb.targets) {
            if (signal.aborted || (await hooks.dial(session, target, signal))) return
          }
          break
        case 'play':
          await session.sendDtmf(verb.digits, { signal })
          break
        case 'say':
          await hooks.say?.(session, verb.text, signal)
          break
        case 'pause':
          await Promise.race([session.sleep(verb.seconds * 1000), aborted(signal)])
          break
        case 'hangup':
          await session.hangup()
          return
      }
    }
  }

  /** What the bot sees: a call that is over for it when somebody else takes it. */
  #view(signal: AbortSignal): AgentSession {
    const { session } = this
    return Object.defineProperty({ ...session, signal }, 'codec', {
      get: () => session.codec,
      enumerable: true,
    })
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    signal.addEventListener('abort', () => resolve())
  })
}
