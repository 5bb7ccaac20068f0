/** The carriers. Hosts and addresses are examples from their public documentation: all can be given otherwise. */
import type { Carrier } from './carrier.ts'

const g711 = ['PCMU', 'PCMA'] as const
const aes128 = ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32'] as const

const twilio: Carrier = {
  name: 'twilio',
  title: 'Twilio Elastic SIP Trunking',
  account: 'the name of the trunk: acme of acme.pstn.twilio.com',
  edges: {
    any: '{account}.pstn.twilio.com',
  },
  anyEdge: '{account}.pstn.{edge}.twilio.com',
  transports: ['udp', 'tcp', 'tls'],
  auth: ['digest', 'address'],
  codecs: g711,
  knownCodecs: ['PCMU', 'PCMA', 'G729', 'opus', 'AMR-NB'],
  dtmf: { send: 'rtp' },
  dtmfRoads: ['rtp'],
  // With Secure Trunking plain calls are rejected; without it SRTP is.
  srtp: { secure: 'required', plain: 'off' },
  srtpSuites: aes128,
  numbers: 'e164',
  headers: { reserved: ['x-twilio'] },
  cps: 30,
  options: true,
  refer: true,
  sources: [
    '54.172.60.0/30',
    '54.244.51.0/30',
    '54.171.127.192/30',
    '35.156.191.128/30',
    '54.65.63.192/30',
    '54.169.127.128/30',
    '54.252.254.64/30',
    '177.71.206.192/30',
  ],
  failure: { header: 'X-Twilio-Error' },
}

const telnyx: Carrier = {
  name: 'telnyx',
  title: 'Telnyx SIP trunking',
  edges: { any: 'sip.telnyx.com' },
  transports: ['udp', 'tcp', 'tls'],
  auth: ['digest', 'register', 'address', 'token'],
  codecs: ['G722', 'PCMU', 'PCMA'],
  knownCodecs: ['G722', 'PCMU', 'PCMA', 'G729', 'opus', 'AMR-WB'],
  dtmfRoads: ['rtp', 'info', 'inband'],
  srtp: { secure: 'required' },
  numbers: 'e164',
  // An INVITE from a shared address without it may be taken for somebody else's.
  headers: { username: 'X-Telnyx-Username', token: 'X-Telnyx-Token' },
  cps: 50,
  options: true,
  // Where the connection allows it; else 405 with D42.
  refer: true,
  failure: { reason: /\b([DPR]\d{1,3})\b/ },
}

const plivo: Carrier = {
  name: 'plivo',
  title: 'Plivo Zentrunk',
  account: 'the id of the trunk: the first part of its domain .zt.plivo.com',
  edges: { any: '{account}.zt.plivo.com' },
  transports: ['udp', 'tcp', 'tls'],
  auth: ['digest', 'address'],
  codecs: g711,
  knownCodecs: ['PCMU', 'PCMA'],
  dtmf: { send: 'rtp' },
  dtmfRoads: ['rtp'],
  srtp: { secure: 'required' },
  numbers: 'e164',
  cps: 2,
  options: true,
  // To its own domain only: the number at the account's own zt.plivo.com.
  refer: true,
}

const vonage: Carrier = {
  name: 'vonage',
  title: 'Vonage SIP trunking',
  account: 'the name of the trunk: acme of acme.sip-us.vonage.com',
  edges: {
    us: '{account}.sip-us.vonage.com',
    eu: '{account}.sip-eu.vonage.com',
    ap: '{account}.sip-ap.vonage.com',
  },
  transports: ['udp', 'tcp', 'tls'],
  auth: ['digest', 'address'],
  codecs: ['PCMA', 'PCMU'],
  knownCodecs: ['PCMA', 'PCMU', 'iLBC', 'G729', 'G722', 'speex'],
  dtmf: { send: 'rtp' },
  dtmfRoads: ['rtp'],
  srtp: { secure: 'required' },
  srtpSuites: ['AES_CM_128_HMAC_SHA1_80'],
  numbers: 'digits',
  headers: { reserved: ['x-nexmo'] },
  options: true,
}

const infobip: Carrier = {
  name: 'infobip',
  title: 'Infobip SIP trunk',
  edges: {},
  transports: ['udp', 'tls'],
  auth: ['address', 'register', 'digest'],
  codecs: g711,
  knownCodecs: ['PCMU', 'PCMA', 'G729'],
  dtmfRoads: ['rtp', 'inband'],
  srtp: { secure: 'optional' },
  numbers: 'e164',
  headers: { passes: ['X-Client-'] },
  options: true,
}

const livekit: Carrier = {
  name: 'livekit',
  title: 'LiveKit SIP',
  account: 'the subdomain of the project: acme of acme.sip.livekit.cloud',
  edges: { any: '{account}.sip.livekit.cloud' },
  anyEdge: '{account}.{edge}.sip.livekit.cloud',
  transports: ['udp', 'tcp', 'tls'],
  auth: ['digest', 'address'],
  codecs: ['G722', 'PCMU', 'PCMA'],
  knownCodecs: ['PCMU', 'PCMA', 'G722', 'AMR-WB'],
  dtmf: { send: 'rtp' },
  dtmfRoads: ['rtp'],
  srtp: { secure: 'required' },
  srtpSuites: [...aes128, 'AES_256_CM_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_32'],
  numbers: 'e164',
  options: true,
  refer: false,
}

const openai: Carrier = {
  name: 'openai',
  title: 'OpenAI Realtime over SIP',
  account: 'the id of the project: proj_…',
  edges: { any: 'sip.api.openai.com', eu: 'sip-eu.api.openai.com' },
  fixedUser: '{account}',
  transports: ['tls'],
  // Who is let in, the project's webhook decides.
  auth: ['none'],
  codecs: g711,
  dtmf: { send: 'rtp' },
  dtmfRoads: ['rtp'],
  srtp: { secure: 'required', plain: 'optional' },
  numbers: 'e164',
  options: false,
}

/** No details of its SIP side are published: everything is asked for. */
const voicerun: Carrier = {
  name: 'voicerun',
  title: 'VoiceRun',
  edges: {},
  transports: ['udp', 'tcp', 'tls'],
  auth: ['digest', 'address', 'none'],
  srtp: { secure: 'optional' },
  numbers: 'e164',
  options: false,
}

const asterisk: Carrier = {
  name: 'asterisk',
  title: 'Asterisk',
  edges: {},
  transports: ['udp', 'tcp', 'tls'],
  auth: ['digest', 'register', 'address', 'certificate'],
  dtmfRoads: ['rtp', 'info', 'inband'],
  srtp: { secure: 'required' },
  numbers: 'as-given',
  options: true,
  refer: true,
}

const freeswitch: Carrier = {
  name: 'freeswitch',
  title: 'FreeSWITCH',
  edges: {},
  transports: ['udp', 'tcp', 'tls'],
  auth: ['digest', 'register', 'address', 'certificate'],
  dtmfRoads: ['rtp', 'info', 'inband'],
  srtp: { secure: 'required' },
  numbers: 'as-given',
  options: true,
  refer: true,
}

const generic: Carrier = {
  name: 'generic',
  title: 'a SIP carrier or PBX',
  edges: {},
  transports: ['udp', 'tcp', 'tls'],
  auth: ['digest', 'register', 'address', 'token', 'certificate', 'none'],
  srtp: { secure: 'required' },
  numbers: 'as-given',
  options: true,
}

export type CarrierName =
  | 'twilio'
  | 'telnyx'
  | 'plivo'
  | 'vonage'
  | 'infobip'
  | 'livekit'
  | 'openai'
  | 'voicerun'
  | 'asterisk'
  | 'freeswitch'
  | 'generic'

export const carriers: Readonly<Record<CarrierName, Carrier>> = {
  twilio,
  telnyx,
  plivo,
  vonage,
  infobip,
  livekit,
  openai,
  voicerun,
  asterisk,
  freeswitch,
  generic,
}
