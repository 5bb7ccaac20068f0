export { agentSession, runAgent } from './agent.ts'
export type { Agent, AgentSession, RunAgentOptions } from './agent.ts'
export { echoAgent } from './echo.ts'
export { menuAgent, say } from './menu.ts'
export type { MenuAction, MenuOptions, Prompt } from './menu.ts'
export { demoMenu, loadPrompt, promptFile } from './demo-menu.ts'
export type { PromptName } from './demo-menu.ts'
export { streamAgent, twilioStreamSignature } from './streams/client.ts'
export type { StreamAgentOptions, StreamTarget } from './streams/options.ts'
export { dialectNamed, dialects } from './streams/dialects.ts'
export type {
  DialectName,
  StreamCodec,
  StreamContext,
  StreamDialect,
  StreamEncoding,
  StreamFormat,
  StreamMedia,
  StreamMessage,
  StreamStart,
} from './streams/dialect.ts'
export { EngineError } from './streams/engine-error.ts'
export type { EngineProblem } from './streams/engine-error.ts'
export { streamIds, twilioCallSid } from './streams/ids.ts'
export type { StreamIds } from './streams/ids.ts'
export { voicerunUrl } from './streams/voicerun.ts'
export type { VoicerunAgent } from './streams/voicerun.ts'
