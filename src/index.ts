export { createEndpoint } from './call/endpoint.ts'
export type { Endpoint } from './call/endpoint.ts'
export type { CloseOptions, EndpointEvents, EndpointStats } from './call/endpoint-types.ts'
export type {
  CallRtpOptions,
  CodecName,
  EndpointLimits,
  EndpointOptions,
  ListenOptions,
  RtpOptions,
} from './call/options.ts'
export type { Call } from './call/call.ts'
export type {
  CallEvents,
  CallState,
  Cancellable,
  DtmfOptions,
  HangupOptions,
  Media,
} from './call/call-types.ts'
export type { AnswerOptions, IncomingCall, ProgressOptions, RejectOptions } from './call/incoming-call.ts'
export type { CallOptions, Progress } from './call/outgoing-call.ts'
export { bridge } from './call/bridge.ts'
export type { Bridge, BridgeEnded, BridgeOptions, BridgeStats } from './call/bridge.ts'
export { bridgeCodecs } from './call/bridge-codecs.ts'
export type { RelayStats } from './media/session/media-bridge.ts'
export type { RelayMode } from './media/session/relay.ts'
export type {
  TransferCause,
  TransferOptions,
  TransferProgress,
  TransferResult,
} from './call/transfer-options.ts'
export type { TransferAcceptOptions, TransferRequest } from './call/transfer-request.ts'
export type { CallControlOptions, EndpointControlOptions } from './call/control-options.ts'
export type { EndpointRequestOptions } from './call/plan-request.ts'
export type { CauseRefusal } from './call/reasons.ts'
export type {
  ReceivedRequest,
  RequestAnswer,
  RequestBody,
  RequestHandler,
  RequestHandlers,
  RequestOptions,
} from './call/requests.ts'
export { CallEndedError } from './call/call-ended.ts'
export type { CallEnded, Reason } from './call/call-ended.ts'
export type { Trunk } from './call/trunk.ts'
export { toE164, toNational } from './call/routing/e164.ts'
export type { ToE164 } from './call/routing/e164.ts'
export { compileRoutes } from './call/routing/route-table.ts'
export type { KnownNames, NamedRoute, RouteTable } from './call/routing/route-table.ts'
export type {
  CallFacts,
  Pattern,
  QueueAction,
  RejectAction,
  Route,
  RouteAction,
  RouteMatch,
  TimeRule,
  Weekday,
} from './call/routing/types.ts'
export { createTrunk, trunkOf } from './call/trunks/carrier-trunk.ts'
export type { CarrierTrunk, TrunkEvents, TrunkStats } from './call/trunks/carrier-trunk.ts'
export { createTrunkGroup } from './call/trunks/trunk-group.ts'
export type { TrunkGroup, TrunkGroupStats } from './call/trunks/trunk-group.ts'
export { trunks } from './call/trunks/options.ts'
export type {
  FailoverSettings,
  TrunkEdge,
  TrunkHealthSettings,
  TrunkOptions,
  TrunkSettings,
} from './call/trunks/options.ts'
export type { TrunkCallOptions } from './call/trunks/dial.ts'
export { TrunkCallError } from './call/trunks/failures.ts'
export type { CarrierFailure, LeftWay } from './call/trunks/failures.ts'
export { admitTrunk } from './call/trunks/admit.ts'
export type { AdmitTrunkOptions } from './call/trunks/admit.ts'
export { carriers } from './call/trunks/carriers.ts'
export type { CarrierName } from './call/trunks/carriers.ts'
export type { Carrier, CarrierHeaders, TrunkAuth, TrunkTransport } from './call/trunks/carrier.ts'
export type { NumberFormat, NumberSettings } from './call/trunks/numbers.ts'
export type { CallSlotStats, MaxCallsSettings } from './call/trunks/call-slots.ts'
export type { CpsSettings, PacerStats } from './call/trunks/pacer.ts'
export type { EdgeStatus, TrunkState } from './call/trunks/health.ts'
export type { Registration, RegistrationEvents, RegistrationState } from './call/registration.ts'
export type { OutboundOptions, RegistrationOptions } from './sip/registration/client-options.ts'
export { callChannel } from './call/diagnostics.ts'
export type { CallDiagnostics } from './call/diagnostics.ts'
export { engineChannel } from './call/engine-events.ts'
export type { EngineEvent } from './call/engine-events.ts'

export type { AudioFrame, AudioSource } from './media/audio/audio-source.ts'
export type { AudioSink, PlayOptions, PlaySource } from './media/audio/audio-sink.ts'
export type { PlayoutDelayOptions } from './media/rtp/jitter-options.ts'
export type { OpusOptions, OpusSampleRate } from './media/codec/opus-options.ts'
export type { MarkReached, Playout } from './media/audio/playout.ts'
export type { Recording, RecordingOptions, RecordingResult } from './media/audio/recording.ts'
export type { RecordingFormat } from './media/audio/recording-format.ts'
export type { RecordingSink } from './media/audio/recording-sink.ts'
export { WavReader } from './media/audio/wav-reader.ts'
export type {
  BurstStats,
  DtmfDigit,
  DtmfStart,
  MediaReportEvent,
  MediaStats,
  RemoteStats,
  SendDtmfOptions,
} from './media/session/types.ts'
export type { CryptoFailures } from './media/session/crypto.ts'
export type { DtmfRoad, DtmfSettings } from './media/session/digit-roads.ts'
export type { SrtpMode, SrtpOptions } from './media/session/srtp-options.ts'
export type { StreamQuality } from './media/session/quality.ts'
export type { RtcpCounters, RtcpOptions } from './media/session/rtcp-session.ts'
export type { RoundTripSnapshot } from './media/rtp/round-trip.ts'

export { agentSession, runAgent } from './agent/agent.ts'
export type { Agent, AgentSession, RunAgentOptions } from './agent/agent.ts'

export { OptionError, SipError } from './runtime/errors.ts'
export type { SipErrorCode } from './runtime/errors.ts'
export { SipResponseError } from './sip/dialog/errors.ts'
export { causeOfStatus, statusOfCause } from './sip/dialog/q850.ts'
export type { RedirectOptions } from './sip/dialog/redirect.ts'
export { SessionExpiredError } from './sip/dialog/session-refresh.ts'
export type { SessionTimerOptions } from './sip/dialog/session-timer.ts'
export { SipTimeoutError } from './sip/transaction/errors.ts'
export { SipTransportError } from './sip/transport/errors.ts'
export type { LeftServer } from './sip/transport/locating/left-server.ts'
export { firstOf } from './sip/auth/admission.ts'
export type {
  Admission,
  AdmissionHost,
  AdmissionPolicy,
  Admitted,
  Dropped,
  Refused,
} from './sip/auth/admission.ts'
export {
  admitAddresses,
  admitCertificates,
  admitSecret,
  dropOthers,
  dropScanners,
  scannerUserAgents,
} from './sip/auth/policies.ts'
export type { KnownSender } from './sip/auth/policies.ts'
export { admitDigest } from './sip/auth/server-digest.ts'
export type { DigestServerOptions, ServerAlgorithm, UserSecret } from './sip/auth/server-digest.ts'
export type { AdmissionStats } from './sip/dialog/admission-gate.ts'
export type { EndpointAdmissionOptions } from './call/admission.ts'
export type { CallIdentity, Caller } from './call/identity.ts'
export type {
  DiversionOptions,
  HistoryOptions,
  IdentityOptions,
  PrivacyValue,
  UserToUserOptions,
} from './call/identity-options.ts'
export type { DivertedFrom, HistoryEntry, Passport, UserToUserData, Verstat } from './call/identity-parts.ts'
export { SipAuthError } from './sip/auth/client.ts'
export type { Credentials, UsernamePassword } from './sip/auth/client.ts'
export { SdpError } from './media/sdp/error.ts'
export { createNodeRuntime } from './runtime/node.ts'
export type { Clock, Network, Random, Resolver, Runtime } from './runtime/runtime.ts'
export type { TransportTlsOptions } from './sip/transport/streams.ts'
