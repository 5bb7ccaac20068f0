/** What to look at when a carrier refuses, by status. Others speak for themselves, or are about the number that was called. */
const advice: Readonly<Record<number, string>> = {
  400: 'the carrier could not read the request, or has no codec in common; compare codecs and the number format',
  401: 'check user name and password, and that the trunk has them',
  403: 'check user name and password, that our address is entered at the carrier, and that the caller is a number it lets us use',
  404: 'the carrier knows no such number or trunk; check the number format and the host',
  405: 'the carrier does not take this method; leave it out for this trunk',
  407: 'check user name and password, and that the trunk has them',
  484: 'the carrier reads the number as incomplete; check the number format (numbers)',
  488: 'no codec or no protection in common; compare codecs and srtp with what the trunk is set to',
  503: 'the carrier is busy, or more calls a second came than it takes; check cps',
  606: 'no codec or no protection in common; compare codecs and srtp with what the trunk is set to',
}

export function adviceFor(statusCode: number): string | undefined {
  return advice[statusCode]
}
