/** For `@livekit/agents`, which the user imports and hands in. */
export { livekitAgent } from './agent.ts'
export type { LivekitAgentOptions, LivekitAgentSession } from './agent.ts'
export { phoneAudio } from './phone-audio.ts'
export type { PhoneAudio, PhoneAudioOptions } from './phone-audio.ts'
export type { LivekitFrame, LivekitInput, LivekitOutput, LivekitSdk } from './sdk.ts'
