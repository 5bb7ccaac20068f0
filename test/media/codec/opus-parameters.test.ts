import t from 'tap'
import {
  opusFmtp,
  parseOpusParameters,
  resolveOpusOptions,
} from '../../../src/media/codec/opus-parameters.ts'
import type { OpusOptions } from '../../../src/media/codec/opus-options.ts'

const defaults = {
  maxplaybackrate: 48_000,
  'sprop-maxcapturerate': 48_000,
  maxaveragebitrate: undefined,
  stereo: false,
  'sprop-stereo': false,
  cbr: false,
  useinbandfec: false,
  usedtx: false,
}

for (const [what, fmtp, expected] of [
  ['nothing', undefined, {}],
  [
    'RFC 7587 7, the second example: stereo both ways',
    'stereo=1; sprop-stereo=1',
    { stereo: true, 'sprop-stereo': true },
  ],
  [
    'RFC 7587 7, wideband with FEC, stereo liked and mono sent',
    'maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1; useinbandfec=1; usedtx=0',
    {
      maxplaybackrate: 16_000,
      'sprop-maxcapturerate': 16_000,
      maxaveragebitrate: 20_000,
      stereo: true,
      useinbandfec: true,
    },
  ],
  ['what browsers offer', 'minptime=10;useinbandfec=1', { useinbandfec: true }],
  ['other case, spaces, empty parts', ' ;UseInbandFEC=1 ;; CBR = 1', { useinbandfec: true, cbr: true }],
  [
    'below the least (6.1)',
    'maxaveragebitrate=3000;maxplaybackrate=4000',
    { maxaveragebitrate: 6000, maxplaybackrate: 8000 },
  ],
  ['above the most (6.1)', 'maxaveragebitrate=900000;maxplaybackrate=96000', { maxaveragebitrate: 510_000 }],
  ['no numbers', 'maxaveragebitrate=-1;maxplaybackrate=1e4;stereo=yes;usedtx', {}],
] as const)
  t.test(`fmtp read: ${what}`, async t => {
    t.same(parseOpusParameters(fmtp), { ...defaults, ...expected })
  })

for (const [options, fmtp] of [
  [{}, 'minptime=10;maxplaybackrate=24000;sprop-maxcapturerate=24000;useinbandfec=1'],
  [{ sampleRate: 48_000 }, 'minptime=10;useinbandfec=1'],
  [{ sampleRate: 48_000, channels: 2, fec: false }, 'minptime=10;stereo=1;sprop-stereo=1'],
  [
    { sampleRate: 16_000, dtx: true, cbr: true, maxReceiveBitrate: 20_000 },
    'minptime=10;maxplaybackrate=16000;sprop-maxcapturerate=16000;maxaveragebitrate=20000;cbr=1;useinbandfec=1;usedtx=1',
  ],
] as const)
  t.test(`fmtp written: ${JSON.stringify(options)}`, async t => {
    t.equal(opusFmtp(resolveOpusOptions(options as OpusOptions)), fmtp)
  })
