export { createRequest, createResponse } from './message/build.ts'
export type { RequestInit, ResponseInit } from './message/build.ts'
export type { HeaderDefinition } from './message/definition.ts'
export { SipParseError, SipSerialiseError } from './message/errors.ts'
export { StreamFramer } from './message/framer.ts'
export type { Framed, FramerOptions } from './message/framer.ts'
export { Headers } from './message/headers.ts'
export { defaultLimits } from './message/limits.ts'
export type { MessageLimits } from './message/limits.ts'
export { SipRequest, SipResponse } from './message/message.ts'
export type { SipMessage } from './message/message.ts'
export { methods } from './message/methods.ts'
export { NameAddr } from './message/name-addr.ts'
export { Params } from './message/params.ts'
export { parseMessage } from './message/parser.ts'
export type { ParseOptions } from './message/parser.ts'
export { serialise } from './message/serialiser.ts'
export { reasonPhraseFor } from './message/status.ts'
export { TelUri } from './message/tel-uri.ts'
export { OtherUri, parseUri, SipUri, telToSip } from './message/uri.ts'
export type { Uri } from './message/uri.ts'
export { checkMessage, checkRequest } from './message/validate.ts'
export { Via } from './message/via.ts'

export type { Destination } from './transport/destination.ts'
export { faultChannel, messageChannel } from './transport/diagnostics.ts'
export type { FaultEvent, MessageEvent } from './transport/diagnostics.ts'
export { SipTransportError } from './transport/errors.ts'
export type { BoundAddress, Flow } from './transport/flow.ts'
export { destinationOf } from './transport/locate.ts'
export type { Target } from './transport/locate.ts'
export type { LeftServer } from './transport/locating/left-server.ts'
export type { ListenAddress, TransportOptions } from './transport/options.ts'
export type { TransportStats } from './transport/stats.ts'
export { TransportLayer } from './transport/transport-layer.ts'

export { ClientTransaction } from './transaction/client-transaction.ts'
export { failoverChannel, transactionChannel } from './transaction/diagnostics.ts'
export type { FailoverEvent } from './transaction/diagnostics.ts'
export { SipTimeoutError } from './transaction/errors.ts'
export { requestWithFailover } from './transaction/failover.ts'
export type { ClientRequest, FailoverOptions } from './transaction/failover.ts'
export { ServerTransaction } from './transaction/server-transaction.ts'
export { timerNames } from './transaction/timers.ts'
export type { TimerName, TimerValues } from './transaction/timers.ts'
export { TransactionLayer } from './transaction/transaction-layer.ts'
export type {
  RequestOptions as TransactionRequestOptions,
  TransactionLayerOptions,
} from './transaction/transaction-layer.ts'

export { digestChallenges } from './auth/challenge.ts'
export type { DigestChallenge } from './auth/challenge.ts'
export { firstOf } from './auth/admission.ts'
export type {
  Admission,
  AdmissionHost,
  AdmissionPolicy,
  Admitted,
  Dropped,
  Refused,
} from './auth/admission.ts'
export {
  admitAddresses,
  admitCertificates,
  admitSecret,
  dropOthers,
  dropScanners,
  scannerUserAgents,
} from './auth/policies.ts'
export type { KnownSender } from './auth/policies.ts'
export { admitDigest } from './auth/server-digest.ts'
export type { DigestServerOptions, ServerAlgorithm, UserSecret } from './auth/server-digest.ts'
export type { AdmissionStats } from './dialog/admission-gate.ts'
export { AdmissionGate } from './dialog/admission-gate.ts'
export { AddressList } from './auth/address-list.ts'
export { DigestClient, SipAuthError } from './auth/client.ts'
export type { Credentials, UsernamePassword } from './auth/client.ts'

export { dialogChannel, UserAgentCore } from './dialog/core.ts'
export type * from './dialog/core-types.ts'
export { Dialog } from './dialog/dialog.ts'
export { SipResponseError } from './dialog/errors.ts'
export { causeOfReasons, causeOfStatus, statusOfCause } from './dialog/q850.ts'
export { Redirects, redirectTargets } from './dialog/redirect.ts'
export type { RedirectOptions, RedirectTarget } from './dialog/redirect.ts'
export { SessionExpiredError } from './dialog/session-refresh.ts'
export type { SessionTimerOptions } from './dialog/session-timer.ts'
export type * from './dialog/session-types.ts'

export { EventBodyError } from './events/body-error.ts'
export { DialogInfoState, readDialogInfo, writeDialogInfo } from './events/dialog-info.ts'
export type { DialogInfo, DialogInfoDialog, DialogParticipant } from './events/dialog-info.ts'
export type * from './events/event-types.ts'
export { defaultEventLimits, Events } from './events/events.ts'
export type { IncomingSubscription } from './events/incoming-subscription.ts'
export { readMessageSummary, writeMessageSummary } from './events/message-summary.ts'
export type { MessageCounts, MessageSummary } from './events/message-summary.ts'
export type { NotifierEndCause } from './events/notifier-machine.ts'
export { dialogPackage, messageSummaryPackage, presencePackage, referPackage } from './events/packages.ts'
export { readPidf, writePidf } from './events/pidf.ts'
export type { Presence, PresenceTuple } from './events/pidf.ts'
export type { SubscriptionEndCause } from './events/subscriber-machine.ts'
export type { Subscription } from './events/subscription.ts'
export type { StateNews, SubscriptionStatus, TerminationReason } from './events/subscription-state.ts'

export { byPreference } from './proxy/by-preference.ts'
export { defaultProxyLimits, Proxy } from './proxy/proxy.ts'
export { registeredTargets } from './proxy/registered.ts'
export { StatelessProxy } from './proxy/stateless-proxy.ts'
export type { StatelessProxyOptions, StatelessRouteFunction } from './proxy/stateless-proxy.ts'
export type * from './proxy/types.ts'

export { RegistrationClient } from './registration/client.ts'
export type { RegistrationClientHost, RegistrationHandlers } from './registration/client.ts'
export type { OutboundOptions, RegistrationOptions } from './registration/client-options.ts'
export type { Granted } from './registration/client-response.ts'
export { MemoryLocationStore } from './registration/location-store.ts'
export type { Binding, BindingChange, LocationStore } from './registration/location-store.ts'
export { Registrar } from './registration/registrar.ts'
export type { Reachable, RegistrarStats } from './registration/registrar.ts'
export { registrarExtensions } from './registration/registrar-options.ts'
export type { AuthorizeRegister, RegistrarEvent, RegistrarOptions } from './registration/registrar-options.ts'
