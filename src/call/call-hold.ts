import type { InviteSession, SessionBody } from '../sip/dialog/session-types.ts'
import type { MediaSession } from '../media/session/media-session.ts'
import type { OfferWishes } from '../media/session/offer-wishes.ts'
import { sdpBody } from './sdp-body.ts'

/** Offers the change: by UPDATE before the answer, by re-INVITE after it. @throws SipError when the peer refuses; OptionError */
export async function offerChange(
  session: InviteSession,
  media: MediaSession,
  wishes: OfferWishes,
): Promise<void> {
  const offer = (): SessionBody => sdpBody(media.createOffer(wishes))
  await (session.state === 'early' ? session.update({ offer }) : session.reinvite({ offer }))
}

/** Who holds whom, and what is told of it. */
export class CallHold {
  readonly #tell: (by: 'local' | 'remote', active: boolean) => void
  readonly #held = { local: false, remote: false }

  constructor(tell: (by: 'local' | 'remote', active: boolean) => void) {
    this.#tell = tell
  }

  /** Ours. @throws SipError when the peer refuses */
  async change(session: InviteSession, media: MediaSession, active: boolean): Promise<void> {
    await offerChange(session, media, { hold: active })
    this.#note('local', active)
  }

  /** Theirs, as the latest description says. */
  noteRemote(active: boolean): void {
    this.#note('remote', active)
  }

  #note(by: 'local' | 'remote', active: boolean): void {
    if (this.#held[by] === active) return
    this.#held[by] = active
    this.#tell(by, active)
  }
}
