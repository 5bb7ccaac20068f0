export { agentSession, runAgent } from './agent.ts'
export type { Agent, AgentEvent, AgentSession, RunAgentOptions } from './agent.ts'
export { echoAgent } from './echo.ts'
export { menuAgent, say } from './menu.ts'
export type { MenuAction, MenuOptions, Prompt } from './menu.ts'
export { demoMenu, loadPrompt, promptFile } from './demo-menu.ts'
export type { PromptName } from './demo-menu.ts'
export { streamAgent } from './streams/client.ts'
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
export { EngineError } from './engine/engine-error.ts'
export type { EngineProblem } from './engine/engine-error.ts'
export { streamIds, twilioCallSid } from './streams/ids.ts'
export type { StreamIds } from './streams/ids.ts'
export { streamServer } from './stream-server/server.ts'
export type { StreamServer, StreamServerStats } from './stream-server/server.ts'
export type {
  RefusalKind,
  StreamCall,
  StreamLimits,
  StreamPath,
  StreamRefusal,
  StreamServerOptions,
  StreamSession,
} from './stream-server/options.ts'
export type { StreamAuth } from './stream-server/auth.ts'
export {
  CarrierControlError,
  plivoControl,
  telnyxControl,
  twilioControl,
  vonageControl,
} from './stream-server/control.ts'
export type { CarrierControl, ControlledCall } from './stream-server/control.ts'
export { plivoStream, texmlConnectStream, twimlConnectStream, vonageNcco } from './stream-server/answers.ts'
export type { StreamPlace } from './stream-server/answers.ts'
export { twilioRest } from './twilio-rest/twilio-rest.ts'
export type { TwilioRest, TwilioRestOptions } from './twilio-rest/twilio-rest.ts'
export { SignatureError } from './signatures/signature-error.ts'
export type { SignatureProblem, SignatureScheme } from './signatures/signature-error.ts'
export type { SignedHeaders } from './signatures/signed-request.ts'
export { signStandardWebhook, verifyStandardWebhook } from './signatures/standard-webhooks.ts'
export type {
  StandardWebhook,
  StandardWebhookHeaders,
  VerifiedWebhook,
} from './signatures/standard-webhooks.ts'
export { twilioSignature, twilioStreamSignature, verifyTwilioSignature } from './signatures/twilio.ts'
export type { FormFields, TwilioRequest } from './signatures/twilio.ts'
export { signTelnyxWebhook, verifyTelnyxSignature } from './signatures/telnyx.ts'
export type { TelnyxRequest } from './signatures/telnyx.ts'
export { signVonageToken, verifyVonageToken } from './signatures/vonage.ts'
export type { VonageClaims, VonageRequest } from './signatures/vonage.ts'
export { plivoSignature, verifyPlivoSignature } from './signatures/plivo.ts'
export type { PlivoRequest } from './signatures/plivo.ts'
export { openAiAgent } from './openai/agent.ts'
export type {
  OpenAiAgentOptions,
  OpenAiAudio,
  OpenAiProblem,
  OpenAiTalk,
  OpenAiTool,
  OpenAiToolCall,
  ReconnectSettings,
} from './openai/options.ts'
export { OpenAiCallError, openAiSipCalls } from './openai/sip-calls.ts'
export type { OpenAiDialect, OpenAiSipCalls, OpenAiSipCallsOptions } from './openai/sip-calls.ts'
export { onceForEachCall, openAiWebhook } from './openai/webhook.ts'
export type { OpenAiIncomingCall } from './openai/webhook.ts'
export { voicerunUrl } from './streams/voicerun.ts'
export type { VoicerunAgent } from './streams/voicerun.ts'
export { routeCalls } from './routing/route-calls.ts'
export type {
  RouteCallsOptions,
  RoutedAgent,
  Routing,
  RoutingEndpoint,
  RoutingOptions,
  RoutingStats,
} from './routing/options.ts'
export { collect, flushDigits } from './control/collect.ts'
export type { CollectOptions, Collected } from './control/collect.ts'
export { playPrompt } from './control/play.ts'
export type { BargeIn, Heard, PlayPromptOptions } from './control/play.ts'
export { speak } from './control/speak.ts'
export type { SpeakOptions, SpokenAudio, SpokenChunk, Spoken, Synthesise } from './control/speak.ts'
export { listenForSpeech } from './control/listen.ts'
export type { Listened, ListenOptions } from './control/listen.ts'
export { leaveMessage } from './control/leave-message.ts'
export type { LeaveMessageOptions, MessageLeft } from './control/leave-message.ts'
export { consult } from './control/consultation.ts'
export type { Consultation, ConsultOptions, NotConsulted, ThreeWay } from './control/consultation.ts'
export { warmTransfer } from './control/warm-transfer.ts'
export type { WarmTransferOptions, WarmTransferResult } from './control/warm-transfer.ts'
export { passOn } from './control/pass-on.ts'
export type { PassOnOptions, PassOnResult } from './control/pass-on.ts'
export { ParkingLot } from './control/parking.ts'
export type { Parked, ParkingLotOptions, Unparked } from './control/parking.ts'
export { ConferenceRoom } from './control/room.ts'
export type { AddOptions, Seat } from './control/room.ts'
