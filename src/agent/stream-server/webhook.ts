import type { HttpRequest, HttpResponse } from '../../runtime/web.ts'
import { headerOf } from '../signatures/signed-request.ts'
import { objectFrom, stringsOf } from '../streams/json.ts'
import type { DialectName } from '../streams/dialect.ts'
import { plivoStream, texmlConnectStream, twimlConnectStream, vonageNcco } from './answers.ts'
import type { StreamRoute } from './options.ts'

/** The fields of a webhook, wherever the carrier puts them. */
export function webhookFields(request: HttpRequest): Readonly<Record<string, string>> {
  const query = Object.fromEntries(new URLSearchParams(request.url.split('?')[1] ?? ''))
  const text = Buffer.from(request.body).toString('utf8')
  const isJson = headerOf(request.headers, 'content-type')?.includes('json') === true
  const body = isJson ? stringsOf(objectFrom(text)) : Object.fromEntries(new URLSearchParams(text))
  return { ...query, ...body }
}

/** What a carrier is told to do with a call: connect it to the stream, with the two numbers as parameters. */
export function webhookAnswer(
  { dialect, format = dialect.formats[0] }: StreamRoute,
  url: string,
  fields: Readonly<Record<string, string>>,
): HttpResponse {
  const from = fields['From'] ?? fields['from'] ?? ''
  const to = fields['To'] ?? fields['to'] ?? ''
  const uuid = fields['uuid'] ?? ''
  const all = {
    from: safe(dialect.name, from),
    to: safe(dialect.name, to),
    ...(dialect.name === 'vonage' && { uuid }),
  }
  const parameters = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
  const { encoding = 'PCMU', sampleRate = 8000 } = format ?? {}
  switch (dialect.name) {
    case 'twilio':
      return xml(twimlConnectStream({ url, parameters }))
    case 'telnyx':
      return xml(
        texmlConnectStream({ url, parameters, codec: encoding, ...(encoding === 'L16' && { sampleRate }) }),
      )
    case 'plivo':
      return xml(
        plivoStream({
          url,
          parameters,
          encoding: encoding === 'L16' ? 'L16' : 'PCMU',
          sampleRate: sampleRate === 16_000 ? 16_000 : 8000,
        }),
      )
    case 'vonage': {
      const rate = sampleRate === 8000 || sampleRate === 24_000 ? sampleRate : 16_000
      const body = vonageNcco({ url, parameters, sampleRate: rate })
      return { status: 200, headers: { 'Content-Type': 'application/json' }, body }
    }
    default:
      return { status: 404, body: `${dialect.name} asks nothing over HTTP` }
  }
}

/** Dialects whose carrier asks over HTTP what to do. */
export const webhookDialects: ReadonlySet<DialectName> = new Set(['twilio', 'telnyx', 'plivo', 'vonage'])

/** What a caller calls itself must not end up as more than a value. */
function safe(dialect: DialectName, value: string): string {
  const printable = value.slice(0, 256).replaceAll(/[^\x20-\x7e]/g, '')
  return dialect === 'plivo' ? printable.replaceAll(/[;,=]/g, '') : printable
}

function xml(body: string): HttpResponse {
  return { status: 200, headers: { 'Content-Type': 'text/xml' }, body }
}
