import { readFileSync } from 'node:fs'
import type { EndpointOptions } from '../call/options.ts'
import { codecNames } from '../media/codec/catalogue.ts'
import type { SrtpMode } from '../media/session/srtp-options.ts'
import { OptionError } from '../runtime/errors.ts'
import type { readArgs } from './args.ts'

type Args = ReturnType<typeof readArgs>

/** How long a command that ends waits for the other sides to answer its BYE or CANCEL. */
export const giveUpMs = 2_000

/** The options every command that opens an endpoint takes. */
export const endpointOptionsConfig: {
  listen: { type: 'string'; multiple: true }
  advertise: { type: 'string' }
  rtp: { type: 'string' }
  codecs: { type: 'string' }
  srtp: { type: 'string' }
  'tls-cert': { type: 'string' }
  'tls-key': { type: 'string' }
  'tls-ca': { type: 'string' }
  'tls-servername': { type: 'string' }
  'tls-request-cert': { type: 'boolean'; default: false }
  'tls-insecure': { type: 'boolean'; default: false }
} = {
  listen: { type: 'string', multiple: true },
  advertise: { type: 'string' },
  rtp: { type: 'string' },
  codecs: { type: 'string' },
  srtp: { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'tls-ca': { type: 'string' },
  'tls-servername': { type: 'string' },
  'tls-request-cert': { type: 'boolean', default: false },
  'tls-insecure': { type: 'boolean', default: false },
}

export function endpointOptions(args: Args, defaultListen: string): EndpointOptions {
  const listen = args.texts('listen')
  const advertise = args.text('advertise')
  const rtp = args.text('rtp')
  const codecs = args.text('codecs')
  const srtp = args.text('srtp')
  return {
    listen: listen.length === 0 ? [defaultListen] : listen,
    ...(advertise === undefined ? {} : { advertise }),
    ...tlsOptions(args),
    ...(rtp === undefined ? {} : { rtp: portRange(rtp) }),
    ...(codecs === undefined ? {} : { codecs: codecList(codecs) }),
    ...(srtp === undefined ? {} : { srtp: srtpMode(srtp) }),
  }
}

/** In the help of every command that opens an endpoint. */
export const tlsHelp = `  --tls-cert FILE, --tls-key FILE  certificate (with its chain) and private key, PEM; shown to clients, and to servers that ask
  --tls-ca FILE      PEM of the authorities to trust instead of the system's
  --tls-servername NAME  the name to expect in the certificate of the server
  --tls-request-cert ask clients for a certificate, and refuse those without a trusted one
  --tls-insecure     take any certificate; for tests only`

function tlsOptions(args: Args): Pick<EndpointOptions, 'tls'> {
  const cert = pem(args, 'tls-cert')
  const key = pem(args, 'tls-key')
  const ca = pem(args, 'tls-ca')
  const servername = args.text('tls-servername')
  const tls = {
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(ca !== undefined && { ca }),
    ...(servername !== undefined && { servername }),
    ...(args.flag('tls-request-cert') && { requestCert: true }),
    ...(args.flag('tls-insecure') && { verify: false }),
  }
  return Object.keys(tls).length === 0 ? {} : { tls }
}

function pem(args: Args, name: string): string | undefined {
  const file = args.text(name)
  if (file === undefined) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new OptionError(`--${name}`, `cannot read ${file} (${(cause as Error).message})`, { cause })
  }
}

/** Wrong names are told of here, as the option they came with. */
function codecList(text: string): readonly string[] {
  const names = text.split(',').map(name => name.trim())
  const known = new Set(codecNames.map(name => name.toLowerCase()))
  const keys = names.map(name => name.toLowerCase())
  const there = `name some of ${codecNames.join(', ')}, with commas between`
  for (const [i, key] of keys.entries()) {
    if (key === '') throw new OptionError('--codecs', `"${text}" has an empty name; ${there}`)
    if (!known.has(key)) throw new OptionError('--codecs', `"${names[i]}" is not a codec; ${there}`)
    if (keys.indexOf(key) !== i)
      throw new OptionError('--codecs', `"${names[i]}" is named twice; once will do`)
  }
  return names
}

function srtpMode(text: string): SrtpMode {
  if (text === 'off' || text === 'optional' || text === 'required') return text
  throw new OptionError('--srtp', `"${text}" is none of off, optional, required`)
}

function portRange(text: string): { minPort: number; maxPort: number } {
  const match = /^(?<min>\d{1,5})-(?<max>\d{1,5})$/.exec(text)?.groups
  if (!match) throw new OptionError('--rtp', `"${text}" is not a range of ports; write it like 10000-20000`)
  return { minPort: Number(match['min']), maxPort: Number(match['max']) }
}
