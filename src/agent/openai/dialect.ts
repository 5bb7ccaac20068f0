import type { JsonObject } from '../streams/json.ts'
import type { SpokenItem } from './spoken-items.ts'
import type { OpenAiSettings } from './options.ts'

/** What a model says of itself, whichever interface it is behind. */
export type ModelEvent =
  /** The session is as we asked for it: audio may flow. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'audio'; readonly item: SpokenItem; readonly audio: Uint8Array }
  /** No more audio of that item. */
  | { readonly kind: 'audio-done'; readonly itemId: string; readonly contentIndex: number }
  /** The caller began to speak. */
  | { readonly kind: 'speech' }
  | { readonly kind: 'response'; readonly id: string }
  | {
      readonly kind: 'response-over'
      readonly id: string
      /** Why it failed; absent when it did not. */
      readonly failure?: Failure
    }
  | { readonly kind: 'tool'; readonly id: string; readonly name: string; readonly input: string }
  /** A transcript. Live has no turns: pieces of one role belong together. */
  | {
      readonly kind: 'words'
      readonly role: 'user' | 'assistant'
      readonly text: string
      readonly piece: boolean
    }
  | { readonly kind: 'error'; readonly failure: Failure }
  /** The session is over. */
  | { readonly kind: 'over'; readonly reason: string; readonly expired: boolean }
  | { readonly kind: 'other' }
  | { readonly kind: 'malformed'; readonly reason: string }

export interface Failure {
  readonly code: string
  readonly message: string
}

/** Something that was said, in text. */
export interface Words {
  readonly role: 'user' | 'assistant'
  readonly text: string
}

/** One wire tool: a function with a schema. */
export type WireTool = Readonly<Record<string, unknown>>

/** One of the two interfaces of OpenAI, as data: how each thing is said, and what each event means. */
export interface ModelDialect {
  /** Whether each turn of the model is asked for, and can be cut off at a position. */
  readonly turns: boolean
  read(event: JsonObject): ModelEvent
  /** Sets the session up; the first that is sent. `before` is what was said in the session before. */
  open(
    settings: OpenAiSettings,
    format: JsonObject,
    tools: readonly WireTool[],
    before: readonly Words[],
  ): readonly JsonObject[]
  /** One frame, in base64. */
  audio(audio: string): JsonObject
  greet(greeting: string | true): readonly JsonObject[]
  tell(text: string): JsonObject
  respond(instructions?: string): JsonObject
  cancel(): readonly JsonObject[]
  truncate(itemId: string, contentIndex: number, heardMs: number): readonly JsonObject[]
  toolOutput(id: string, output: string): JsonObject
  close(): readonly JsonObject[]
}
