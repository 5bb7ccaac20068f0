/** `application/dialog-info+xml` (RFC 4235 §4), read and written, and full and partial states put together. */
import type { SessionBody, SessionState } from '../dialog/session-types.ts'
import { EventBodyError } from './body-error.ts'
import { readXml, writeXml } from './xml.ts'
import type { XmlElement, XmlInit } from './xml.ts'

export interface DialogParticipant {
  /** A URI. */
  readonly identity?: string | undefined
  readonly displayName?: string | undefined
  /** A URI. */
  readonly target?: string | undefined
}

export interface DialogInfoDialog {
  /** Unique in the document. */
  readonly id: string
  readonly state: SessionState
  /** Of the state `terminated`: `cancelled`, `rejected`, `replaced`, `local-bye`, `remote-bye`, `error`, `timeout`. */
  readonly event?: string | undefined
  readonly statusCode?: number | undefined
  readonly callId?: string | undefined
  readonly localTag?: string | undefined
  readonly remoteTag?: string | undefined
  readonly direction?: 'initiator' | 'recipient' | undefined
  readonly durationSeconds?: number | undefined
  readonly local?: DialogParticipant | undefined
  readonly remote?: DialogParticipant | undefined
}

export interface DialogInfo {
  readonly version: number
  readonly state: 'full' | 'partial'
  /** The URI whose dialogs they are. */
  readonly entity: string
  readonly dialogs: readonly DialogInfoDialog[]
}

const states: ReadonlySet<string> = new Set(['trying', 'proceeding', 'early', 'confirmed', 'terminated'])

/** @throws EventBodyError */
export function readDialogInfo(body: Uint8Array): DialogInfo {
  const root = readXml(body)
  if (root.name !== 'dialog-info') throw new EventBodyError(`<${root.name}> is not <dialog-info>`)
  const version = number(root.attributes.get('version'))
  const state = root.attributes.get('state')
  if (version === undefined || (state !== 'full' && state !== 'partial')) {
    throw new EventBodyError('dialog-info lacks a version or a state')
  }
  return {
    version,
    state,
    entity: root.attributes.get('entity') ?? '',
    dialogs: root.children.filter(({ name }) => name === 'dialog').map(readDialog),
  }
}

function readDialog({ attributes, children }: XmlElement): DialogInfoDialog {
  const id = attributes.get('id')
  const state = children.find(({ name }) => name === 'state')
  const word = state?.text.toLowerCase()
  if (id === undefined || word === undefined || !states.has(word)) {
    throw new EventBodyError('a dialog lacks its id or its state')
  }
  const direction = attributes.get('direction')
  return {
    id,
    state: word as SessionState,
    event: state?.attributes.get('event'),
    statusCode: number(state?.attributes.get('code')),
    callId: attributes.get('call-id'),
    localTag: attributes.get('local-tag'),
    remoteTag: attributes.get('remote-tag'),
    direction: direction === 'initiator' || direction === 'recipient' ? direction : undefined,
    durationSeconds: number(children.find(({ name }) => name === 'duration')?.text),
    local: readParticipant(children.find(({ name }) => name === 'local')),
    remote: readParticipant(children.find(({ name }) => name === 'remote')),
  }
}

function readParticipant(element: XmlElement | undefined): DialogParticipant | undefined {
  if (element === undefined) return undefined
  const identity = element.children.find(({ name }) => name === 'identity')
  return {
    identity: identity?.text,
    displayName: identity?.attributes.get('display'),
    target: element.children.find(({ name }) => name === 'target')?.attributes.get('uri'),
  }
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

export function writeDialogInfo({ version, state, entity, dialogs }: DialogInfo): SessionBody {
  const body = writeXml({
    name: 'dialog-info',
    attributes: { xmlns: 'urn:ietf:params:xml:ns:dialog-info', version: String(version), state, entity },
    children: dialogs.map(writeDialog),
  })
  return { contentType: 'application/dialog-info+xml', body }
}

function writeDialog(dialog: DialogInfoDialog): XmlInit {
  const { statusCode, durationSeconds } = dialog
  return {
    name: 'dialog',
    attributes: {
      id: dialog.id,
      'call-id': dialog.callId,
      'local-tag': dialog.localTag,
      'remote-tag': dialog.remoteTag,
      direction: dialog.direction,
    },
    children: [
      {
        name: 'state',
        attributes: { event: dialog.event, code: statusCode === undefined ? undefined : String(statusCode) },
        text: dialog.state,
      },
      ...(durationSeconds === undefined
        ? []
        : [{ name: 'duration', text: String(Math.floor(durationSeconds)) }]),
      ...writeParticipant('local', dialog.local),
      ...writeParticipant('remote', dialog.remote),
    ],
  }
}

function writeParticipant(name: string, participant: DialogParticipant | undefined): readonly XmlInit[] {
  if (participant === undefined) return []
  const { identity, displayName, target } = participant
  return [
    {
      name,
      children: [
        ...(identity === undefined
          ? []
          : [{ name: 'identity', attributes: { display: displayName }, text: identity }]),
        ...(target === undefined ? [] : [{ name: 'target', attributes: { uri: target } }]),
      ],
    },
  ]
}

/** Dialogs kept of one entity; what a partial state adds beyond it is left out, and counted. */
const MAX_DIALOGS = 1000

/** What the documents of one subscription say together (RFC 4235 §4.3). */
export class DialogInfoState {
  readonly #dialogs = new Map<string, DialogInfoDialog>()
  #version: number | undefined
  #dropped = 0

  get dialogs(): readonly DialogInfoDialog[] {
    return [...this.#dialogs.values()]
  }

  get dropped(): number {
    return this.#dropped
  }

  /** `stale`: older than what is known, and passed over. `gap`: something is missing: ask for the full state with `subscription.refresh()`. */
  apply(info: DialogInfo): 'applied' | 'stale' | 'gap' {
    const known = this.#version
    if (known !== undefined && info.version <= known) return 'stale'
    if (info.state === 'full') this.#dialogs.clear()
    else if (known === undefined || info.version !== known + 1) return 'gap'
    this.#version = info.version
    for (const dialog of info.dialogs) {
      if (dialog.state === 'terminated') this.#dialogs.delete(dialog.id)
      else if (this.#dialogs.size < MAX_DIALOGS || this.#dialogs.has(dialog.id))
        this.#dialogs.set(dialog.id, dialog)
      else this.#dropped++
    }
    return 'applied'
  }
}
