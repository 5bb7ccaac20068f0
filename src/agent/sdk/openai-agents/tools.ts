import { tool } from '@openai/agents-realtime'
import type { FunctionTool } from '@openai/agents-realtime'
import { OptionError } from '../../../runtime/errors.ts'
import type { PhoneTransport } from './phone-transport.ts'

export interface PhoneToolsOptions {
  /** Where callers may be transferred to: what the model calls it, and a SIP or tel URI. Without any there is no such tool. */
  readonly transfer?: Readonly<Record<string, string>>
  /** Whether the model may press keys. Default false. */
  readonly keys?: boolean
}

/** Tools for a `RealtimeAgent`: `hang_up`, and as the options say `transfer_call` and `press_keys`. @throws OptionError */
export function phoneTools(phone: PhoneTransport, options: PhoneToolsOptions = {}): FunctionTool[] {
  const { transfer = {}, keys = false } = options
  const destinations = Object.keys(transfer)
  const empty = destinations.find(name => name.trim() === '' || transfer[name] === '')
  if (empty !== undefined)
    throw new OptionError('transfer', `${JSON.stringify(empty)} has no name or no target; give both`)
  const tools = [phoneTool('hang_up', 'Ends the phone call. Say goodbye first.', {}, () => phone.hangUp())]
  if (destinations.length > 0) {
    tools.push(
      phoneTool(
        'transfer_call',
        'Transfers the caller to somebody else. Say so first.',
        { destination: { type: 'string', enum: destinations } },
        ({ destination = '' }) => {
          const target = Object.hasOwn(transfer, destination) ? transfer[destination] : undefined
          if (target !== undefined) return phone.transferCall(target)
          return Promise.resolve(`There is no ${destination}: there is ${destinations.join(', ')}.`)
        },
      ),
    )
  }
  if (keys) {
    tools.push(
      phoneTool(
        'press_keys',
        'Presses keys of the phone, for menus of the other side. A w waits half a second.',
        { digits: { type: 'string', pattern: '^[0-9*#A-Dw]+$' } },
        ({ digits = '' }) => phone.pressKeys(digits),
      ),
    )
  }
  return tools
}

function phoneTool(
  name: string,
  description: string,
  properties: Readonly<Record<string, { type: 'string'; enum?: string[]; pattern?: string }>>,
  run: (input: Readonly<Record<string, string | undefined>>) => Promise<string>,
): FunctionTool {
  return tool({
    name,
    description,
    parameters: {
      type: 'object',
      properties,
      required: Object.keys(properties),
      additionalProperties: false,
    },
    execute: input => run((input ?? {}) as Readonly<Record<string, string | undefined>>),
  })
}
