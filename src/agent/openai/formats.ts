import type { AgentSession } from '../agent.ts'
import type { StreamFormat } from '../streams/dialect.ts'
import type { JsonObject } from '../streams/json.ts'
import type { OpenAiAudio } from './options.ts'
import type { OpenAiDialect } from './sip-calls.ts'

/** G.711 as it is where the call is G.711. */
export function audioOf({ codec, input }: AgentSession): OpenAiAudio {
  if (codec === 'PCMU' || (codec === undefined && input.sampleRate === 8000)) return 'pcmu'
  return codec === 'PCMA' ? 'pcma' : 'pcm'
}

export const formats: Readonly<Record<OpenAiAudio, StreamFormat>> = {
  pcmu: { encoding: 'PCMU', sampleRate: 8000 },
  pcma: { encoding: 'PCMA', sampleRate: 8000 },
  pcm: { encoding: 'L16', sampleRate: 24_000 },
}

/** As the API names them. Live wants a rate with each. */
export const wireFormats: Readonly<
  Record<OpenAiDialect, Readonly<Record<StreamFormat['encoding'], JsonObject>>>
> = {
  realtime: {
    PCMU: { type: 'audio/pcmu' },
    PCMA: { type: 'audio/pcma' },
    L16: { type: 'audio/pcm', rate: 24_000 },
  },
  live: {
    PCMU: { type: 'audio/pcmu', rate: 8000 },
    PCMA: { type: 'audio/pcma', rate: 8000 },
    L16: { type: 'audio/pcm', rate: 24_000 },
  },
}
