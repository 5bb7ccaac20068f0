import type { AgentSession } from '../agent.ts'
import type { JsonObject } from '../streams/json.ts'
import type { WireTool } from './dialect.ts'
import type { OpenAiSettings, OpenAiTool } from './options.ts'

/** What the tools of the phone need of a conversation. */
export interface PhoneLine {
  readonly session: AgentSession
  /** Settles when the caller has heard all that was said; false when that was cut off. */
  heardOut(): Promise<boolean>
  /** The call is to end, in order. */
  end(): void
}

export function wireTool({ name, description, parameters }: OpenAiTool): WireTool {
  return {
    type: 'function',
    name,
    ...(description !== undefined && { description }),
    parameters: parameters ?? NOTHING,
  }
}

/** `hang_up` and `transfer_call`, as the options say. */
export function phoneTools({ endCall, transferCall = {} }: OpenAiSettings, line: PhoneLine): OpenAiTool[] {
  const tools: OpenAiTool[] = []
  if (endCall === true) {
    tools.push({
      name: 'hang_up',
      description: 'Ends the phone call. Say good-bye first.',
      run: async () => {
        if (!(await line.heardOut())) return 'The caller interrupted: the call goes on.'
        line.end()
        return 'The call has ended.'
      },
    })
  }
  const places = Object.keys(transferCall)
  if (places.length > 0) {
    tools.push({
      name: 'transfer_call',
      description: 'Transfers the caller to somebody else. Say so first.',
      parameters: {
        type: 'object',
        properties: { destination: { type: 'string', enum: places } },
        required: ['destination'],
        additionalProperties: false,
      },
      run: ({ destination }) => transfer(line, transferCall, destination),
    })
  }
  return tools
}

async function transfer(
  line: PhoneLine,
  places: Readonly<Record<string, string>>,
  destination: unknown,
): Promise<string> {
  const known = typeof destination === 'string' && Object.hasOwn(places, destination)
  const target = known ? places[destination] : undefined
  if (target === undefined) return `There is no such destination: there is ${Object.keys(places).join(', ')}.`
  await line.heardOut()
  const { outcome } = await line.session.transfer(target)
  if (outcome === 'transferred') return 'The caller was transferred.'
  return `The transfer did not work (${outcome}): the caller is still here.`
}

const NOTHING: JsonObject = { type: 'object', properties: {}, additionalProperties: false }
