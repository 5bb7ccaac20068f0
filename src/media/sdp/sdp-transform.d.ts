/** The part of sdp-transform 3.0.0 that Offhook uses; the package ships no types. Numbers that fit come as numbers, others as strings. */
declare module 'sdp-transform' {
  type Scalar = string | number

  interface ParsedAddress {
    version: Scalar
    ip: Scalar
  }

  interface ParsedMedia {
    type?: Scalar
    port?: Scalar
    protocol?: Scalar
    payloads?: Scalar
    connection?: ParsedAddress
    direction?: Scalar
    ptime?: Scalar
    maxptime?: Scalar
    rtcpMux?: Scalar
    rtcp?: { port: Scalar; netType?: Scalar; ipVer?: Scalar; address?: Scalar }
    rtp: { payload: Scalar; codec: Scalar; rate?: Scalar; encoding?: Scalar }[]
    fmtp: { payload: Scalar; config: Scalar }[]
  }

  interface ParsedSession {
    origin?: {
      username: Scalar
      sessionId: Scalar
      sessionVersion: Scalar
      netType: Scalar
      ipVer: Scalar
      address: Scalar
    }
    name?: Scalar
    connection?: ParsedAddress
    direction?: Scalar
    media: ParsedMedia[]
  }

  const sdpTransform: { parse(text: string): ParsedSession }
  export default sdpTransform
}
