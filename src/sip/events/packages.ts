/** Event packages as data (RFC 6665 §5.4). */
import type { EventPackage } from './event-types.ts'

/** Dialogs of a phone: busy lamps (RFC 4235). */
export const dialogPackage: EventPackage = {
  name: 'dialog',
  contentTypes: ['application/dialog-info+xml'], // §3.4
  defaultExpiresSeconds: 3600, // §3.3
  forks: true, // §3.9
}

/** Messages waiting (RFC 3842). */
export const messageSummaryPackage: EventPackage = {
  name: 'message-summary',
  contentTypes: ['application/simple-message-summary'], // §3.4
  defaultExpiresSeconds: 3600, // §3.3 leaves it to the deployment
  forks: false, // §3.9
}

/** Presence (RFC 3856). */
export const presencePackage: EventPackage = {
  name: 'presence',
  contentTypes: ['application/pidf+xml'], // §6.5
  defaultExpiresSeconds: 3600, // §6.4
  forks: false, // §6.9
}

/** What becomes of a REFER (RFC 3515). Its bodies: `referNotify` and `readReferNotify` of sip/dialog. */
export const referPackage: EventPackage = {
  name: 'refer',
  contentTypes: ['message/sipfrag'], // §2.4.5
  defaultExpiresSeconds: 180,
  forks: false, // §2.4.4: a REFER in a dialog does not fork
}
