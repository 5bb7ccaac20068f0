import { OptionError } from '../../runtime/errors.ts'

/** Where a carrier shall connect a call to, and what it shall tell there. */
export interface StreamPlace {
  /** `wss:` */
  readonly url: string
  readonly parameters?: Readonly<Record<string, string>>
}

/** Twilio: `<Connect><Stream>`, both ways; the call ends with the stream. @throws OptionError */
export function twimlConnectStream(place: StreamPlace): string {
  return document(`<Connect><Stream url="${urlOf(place)}">${parametersOf(place)}</Stream></Connect>`)
}

/** Telnyx (TeXML): both ways, the payloads of RTP packets in the codec given. @throws OptionError */
export function texmlConnectStream(
  place: StreamPlace & { readonly codec?: 'PCMU' | 'PCMA' | 'L16'; readonly sampleRate?: number },
): string {
  const { codec = 'PCMU', sampleRate } = place
  const rate = sampleRate === undefined ? '' : ` bidirectionalSamplingRate="${sampleRate}"`
  return document(
    `<Connect><Stream url="${urlOf(place)}" bidirectionalMode="rtp" codec="${codec}" bidirectionalCodec="${codec}"${rate}>${parametersOf(place)}</Stream></Connect>`,
  )
}

/** Plivo: both ways; the call stays up as long as the stream. @throws OptionError */
export function plivoStream(
  place: StreamPlace & { readonly encoding?: 'PCMU' | 'L16'; readonly sampleRate?: 8000 | 16_000 },
): string {
  const { encoding = 'PCMU', sampleRate = 8000, parameters = {} } = place
  const headers = Object.entries(parameters).map(([name, value]) => {
    if (!/^[\w-]+$/.test(name) || /[;,=]/.test(value)) {
      throw new OptionError(`parameters.${name}`, 'Plivo parts them by ; , and =: use letters and digits')
    }
    return `${name}=${value}`
  })
  const type = encoding === 'L16' ? 'audio/x-l16' : 'audio/x-mulaw'
  const extra = headers.length === 0 ? '' : ` extraHeaders="${escapeXml(headers.join(','))}"`
  return document(
    `<Stream bidirectional="true" keepCallAlive="true" contentType="${type};rate=${sampleRate}"${extra}>${urlOf(place)}</Stream>`,
  )
}

/** Vonage: an NCCO that connects to the WebSocket; `parameters` become the headers of its start. @throws OptionError */
export function vonageNcco(
  place: StreamPlace & {
    /** Default 16,000. */
    readonly sampleRate?: 8000 | 16_000 | 24_000
    /** Has Vonage sign the upgrade. Default true. */
    readonly signed?: boolean
  },
): string {
  const { url, parameters = {}, sampleRate = 16_000, signed = true } = place
  urlOf(place)
  return JSON.stringify([
    {
      action: 'connect',
      endpoint: [
        {
          type: 'websocket',
          uri: url,
          'content-type': `audio/l16;rate=${sampleRate}`,
          headers: parameters,
          ...(signed && { authorization: { type: 'vonage' } }),
        },
      ],
    },
  ])
}

/** Text for an element or an attribute. @throws OptionError a character that XML cannot carry */
export function escapeXml(text: string): string {
  // XML 1.0 §2.2
  if (/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u.test(text)) {
    throw new OptionError('text', 'it has a character that XML cannot carry; leave control characters out')
  }
  return text.replaceAll(
    /[&<>"'\t\n\r]/g,
    character => ENTITIES[character] ?? `&#${character.charCodeAt(0)};`,
  )
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

function urlOf({ url }: StreamPlace): string {
  if (!URL.canParse(url) || !/^wss?:$/.test(new URL(url).protocol)) {
    throw new OptionError('url', 'no place of a WebSocket; give wss://host/path')
  }
  return escapeXml(url)
}

function parametersOf({ parameters = {} }: StreamPlace): string {
  return Object.entries(parameters)
    .map(([name, value]) => `<Parameter name="${escapeXml(name)}" value="${escapeXml(value)}"/>`)
    .join('')
}

function document(body: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Response>${body}</Response>`
}
