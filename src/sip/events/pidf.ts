/** `application/pidf+xml` (RFC 3863 §4), as much as basic presence needs. */
import type { SessionBody } from '../dialog/session-types.ts'
import { EventBodyError } from './body-error.ts'
import { readXml, writeXml } from './xml.ts'

export interface PresenceTuple {
  readonly id: string
  readonly basic: 'open' | 'closed' | undefined
  /** A URI. */
  readonly contact?: string | undefined
  readonly note?: string | undefined
}

export interface Presence {
  /** A URI, `pres:` or `sip:`. */
  readonly entity: string
  readonly tuples: readonly PresenceTuple[]
  readonly note?: string | undefined
}

/** @throws EventBodyError */
export function readPidf(body: Uint8Array): Presence {
  const root = readXml(body)
  if (root.name !== 'presence') throw new EventBodyError(`<${root.name}> is not <presence>`)
  return {
    entity: root.attributes.get('entity') ?? '',
    note: root.children.find(({ name }) => name === 'note')?.text,
    tuples: root.children
      .filter(({ name }) => name === 'tuple')
      .map(({ attributes, children }) => {
        const status = children.find(({ name }) => name === 'status')
        const basic = status?.children.find(({ name }) => name === 'basic')?.text
        return {
          id: attributes.get('id') ?? '',
          basic: basic === 'open' || basic === 'closed' ? basic : undefined,
          contact: children.find(({ name }) => name === 'contact')?.text,
          note: children.find(({ name }) => name === 'note')?.text,
        }
      }),
  }
}

export function writePidf({ entity, tuples, note }: Presence): SessionBody {
  const body = writeXml({
    name: 'presence',
    attributes: { xmlns: 'urn:ietf:params:xml:ns:pidf', entity },
    children: [
      ...tuples.map(tuple => ({
        name: 'tuple',
        attributes: { id: tuple.id },
        children: [
          {
            name: 'status',
            children: tuple.basic === undefined ? [] : [{ name: 'basic', text: tuple.basic }],
          },
          ...(tuple.contact === undefined ? [] : [{ name: 'contact', text: tuple.contact }]),
          ...(tuple.note === undefined ? [] : [{ name: 'note', text: tuple.note }]),
        ],
      })),
      ...(note === undefined ? [] : [{ name: 'note', text: note }]),
    ],
  })
  return { contentType: 'application/pidf+xml', body }
}
