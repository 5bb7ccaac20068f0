import { OptionError } from '../../runtime/errors.ts'
import type { DialectName, StreamDialect } from './dialect.ts'
import { infobip } from './dialects/infobip.ts'
import { offhook } from './dialects/offhook.ts'
import { plivo } from './dialects/plivo.ts'
import { telnyx } from './dialects/telnyx.ts'
import { twilio } from './dialects/twilio.ts'
import { voicerun } from './dialects/voicerun.ts'
import { vonage } from './dialects/vonage.ts'

/** By name. */
export const dialects: Readonly<Record<DialectName, StreamDialect>> = {
  twilio,
  telnyx,
  plivo,
  vonage,
  infobip,
  voicerun,
  offhook,
}

/** @throws OptionError */
export function dialectNamed(name: string): StreamDialect {
  const found = Object.hasOwn(dialects, name) ? dialects[name as DialectName] : undefined
  if (found === undefined) {
    throw new OptionError(
      'dialect',
      `${JSON.stringify(name)} is not spoken here: give one of ${Object.keys(dialects).join(', ')}`,
    )
  }
  return found
}
