import type { EndpointOptions } from '../call/options.ts'
import { OptionError } from '../runtime/errors.ts'
import type { readArgs } from './args.ts'

/** How long a command that ends waits for the other sides to answer its BYE or CANCEL. */
export const giveUpMs = 2_000

/** The options every command that opens an endpoint takes. */
export const endpointOptionsConfig: {
  listen: { type: 'string'; multiple: true }
  advertise: { type: 'string' }
  rtp: { type: 'string' }
  codecs: { type: 'string' }
} = {
  listen: { type: 'string', multiple: true },
  advertise: { type: 'string' },
  rtp: { type: 'string' },
  codecs: { type: 'string' },
}

export function endpointOptions(args: ReturnType<typeof readArgs>, defaultListen: string): EndpointOptions {
  const listen = args.texts('listen')
  const advertise = args.text('advertise')
  const rtp = args.text('rtp')
  const codecs = args.text('codecs')
  return {
    listen: listen.length === 0 ? [defaultListen] : listen,
    ...(advertise === undefined ? {} : { advertise }),
    ...(rtp === undefined ? {} : { rtp: portRange(rtp) }),
    ...(codecs === undefined ? {} : { codecs: codecs.split(',').map(name => name.trim()) }),
  }
}

function portRange(text: string): { minPort: number; maxPort: number } {
  const match = /^(?<min>\d{1,5})-(?<max>\d{1,5})$/.exec(text)?.groups
  if (!match) throw new OptionError('--rtp', `"${text}" is not a range of ports; write it like 10000-20000`)
  return { minPort: Number(match['min']), maxPort: Number(match['max']) }
}
