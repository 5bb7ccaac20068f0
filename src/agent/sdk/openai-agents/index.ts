/** For `@openai/agents-realtime`, which the user installs. */
export { openAiAgentsAgent } from './agent.ts'
export type { OpenAiAgentsOptions } from './agent.ts'
export { PhoneTransport, phoneTransport } from './phone-transport.ts'
export type { PhoneAudio, PhoneTransportClosed, PhoneTransportOptions } from './phone-transport.ts'
export { phoneTools } from './tools.ts'
export type { PhoneToolsOptions } from './tools.ts'
