import { objectFrom } from '../streams/json.ts'
import type { JsonObject } from '../streams/json.ts'
import type { OpenAiTalk, OpenAiTool, OpenAiToolCall } from './options.ts'

/** Calls gathered and under way at a time; more are answered with an error, and counted. */
const MAX_CALLS = 32

interface Called {
  readonly id: string
  readonly name: string
  readonly input: string
}

export interface ToolBenchOptions {
  readonly tools: readonly OpenAiTool[]
  readonly onToolCall?: (call: OpenAiToolCall, talk: OpenAiTalk) => unknown
  readonly onFailed: (name: string, message: string) => void
}

/** Runs what the model calls, once its response is over: before that it takes no output. */
export class ToolBench {
  readonly #options: ToolBenchOptions
  readonly #counts = { toolsRefused: 0 }
  #gathered: Called[] = []
  #running = 0

  constructor(options: ToolBenchOptions) {
    this.#options = options
  }

  /** Those to tell the API of. */
  get own(): readonly OpenAiTool[] {
    return this.#options.tools
  }

  get counts(): { readonly toolsRefused: number } {
    return this.#counts
  }

  get busy(): boolean {
    return this.#gathered.length > 0 || this.#running > 0
  }

  add(call: Called): void {
    // The same call may be told of by more than one event.
    if (this.#gathered.some(({ id }) => id === call.id)) return
    if (this.#gathered.length < MAX_CALLS) this.#gathered.push(call)
    else this.#counts.toolsRefused += 1
  }

  /** The session they were called in is gone. */
  forget(): void {
    this.#gathered = []
  }

  /** Runs those gathered side by side. Undefined when there are none, else settles when all have given their output. */
  work(talk: OpenAiTalk, give: (id: string, output: string) => void): Promise<unknown> | undefined {
    const calls = this.#gathered
    if (calls.length === 0) return undefined
    this.#gathered = []
    return Promise.all(
      calls.map(async call => {
        if (this.#running >= MAX_CALLS) {
          this.#counts.toolsRefused += 1
          return give(call.id, failed('too many tools are at work'))
        }
        this.#running += 1
        const output = await this.#run(call, talk)
        this.#running -= 1
        give(call.id, output)
      }),
    )
  }

  async #run({ id, name, input }: Called, talk: OpenAiTalk): Promise<string> {
    const { tools, onToolCall, onFailed } = this.#options
    try {
      const parsed: JsonObject | undefined = input.trim() === '' ? {} : objectFrom(input)
      if (parsed === undefined) throw new Error('the arguments are no JSON object')
      const run = tools.find(tool => tool.name === name)?.run
      if (run === undefined && onToolCall === undefined) throw new Error(`there is no tool ${name}`)
      const given = await (run === undefined
        ? onToolCall?.({ id, name, input: parsed }, talk)
        : run(parsed, talk))
      return typeof given === 'string' ? given : (JSON.stringify(given) ?? 'done')
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      onFailed(name, message)
      return failed(message)
    }
  }
}

function failed(message: string): string {
  return JSON.stringify({ error: message })
}
