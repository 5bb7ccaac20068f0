/** What a tone of the network says. */
export type CallProgressTone =
  | 'dial'
  | 'ringback'
  | 'busy'
  /** Also called reorder: no way through. */
  | 'congestion'
  | 'callWaiting'
  /** Special information tone, before an announcement (ITU-T E.180 §7), or what the country has in its place. */
  | 'information'

/**
 * One round of a tone: `Hz/ms`, 0 Hz being silence, `350+440` two frequencies, `400*25` a carrier whose loudness swings fully at
 * 25 Hz. Without `/ms` it goes on for ever.
 */
export type CadenceText = string

export interface CountryTones extends Readonly<Record<CallProgressTone, CadenceText>> {
  readonly source: string
  /** Level of each frequency in dBm0, where the country's standard is not -10 dBm0 for the whole (ITU-T E.180 §3 to §7). */
  readonly levelsDbm0?: Readonly<Partial<Record<CallProgressTone, number>>>
}

const E180 = 'ITU-T E.180 Supplement 2, as PBXs tabulate it'
/** No standard was at hand to compare with. */
const PBX_TABLES = 'tone tables of PBXs'
const SIT = '950/330 1400/330 1800/330 0/1000'

/** The precise audible tone plan (ITU-T E.300-series Supplement 3, GR-506): levels are of each frequency. */
const NORTH_AMERICA: CountryTones = {
  source: 'ITU-T E.300-series Supplement 3; Telcordia GR-506',
  dial: '350+440',
  ringback: '440+480/2000 0/4000',
  busy: '480+620/500 0/500',
  congestion: '480+620/250 0/250',
  callWaiting: '440/300 0/9700',
  information: '913.8/274 1370.6/274 1776.7/380 0/1000',
  levelsDbm0: { dial: -13, ringback: -19, busy: -24, congestion: -24, callWaiting: -13 },
}

/** By ISO 3166-1 alpha-2 code. Where a standard leaves a choice, the one heard most. */
export const COUNTRY_TONES: Readonly<Record<string, CountryTones>> = {
  US: NORTH_AMERICA,
  CA: NORTH_AMERICA,
  GB: {
    source: 'BT SIN 350',
    dial: '350+440',
    ringback: '400+450/400 0/200 400+450/400 0/2000',
    busy: '400/375 0/375',
    congestion: '400/400 0/350 400/225 0/525',
    callWaiting: '400/100 0/4000',
    information: '950/330 0/15 1400/330 0/15 1800/330 0/1000',
  },
  DE: {
    source: E180,
    dial: '425',
    ringback: '425/1000 0/4000',
    busy: '425/480 0/480',
    congestion: '425/240 0/240',
    callWaiting: '425/200 0/200 425/200 0/5000',
    information: SIT,
  },
  FR: {
    source: E180,
    dial: '440',
    ringback: '440/1500 0/3500',
    busy: '440/500 0/500',
    congestion: '440/250 0/250',
    callWaiting: '440/300 0/10000',
    information: SIT,
  },
  IT: {
    source: E180,
    dial: '425/200 0/200 425/600 0/1000',
    ringback: '425/1000 0/4000',
    busy: '425/500 0/500',
    congestion: '425/200 0/200',
    callWaiting: '425/400 0/100 425/250 0/100 425/150 0/14000',
    information: SIT,
  },
  ES: {
    source: PBX_TABLES,
    dial: '425',
    ringback: '425/1500 0/3000',
    busy: '425/200 0/200',
    congestion: '425/200 0/200 425/200 0/200 425/200 0/600',
    callWaiting: '425/175 0/175 425/175 0/3500',
    information: SIT,
  },
  NL: {
    source: E180,
    dial: '425',
    ringback: '425/1000 0/4000',
    busy: '425/500 0/500',
    congestion: '425/250 0/250',
    callWaiting: '425/500 0/9500',
    information: SIT,
  },
  BE: {
    source: E180,
    dial: '425',
    ringback: '425/1000 0/3000',
    busy: '425/500 0/500',
    congestion: '425/167 0/167',
    callWaiting: '1400/175 0/175 1400/175 0/3500',
    information: '900/330 1400/330 1800/330 0/1000',
  },
  AT: {
    source: E180,
    dial: '420',
    ringback: '420/1000 0/5000',
    busy: '420/400 0/400',
    congestion: '420/200 0/200',
    callWaiting: '420/40 0/1960',
    information: '950/330 1450/330 1850/330 0/1000',
  },
  CH: {
    source: E180,
    dial: '425',
    ringback: '425/1000 0/4000',
    busy: '425/500 0/500',
    congestion: '425/200 0/200',
    callWaiting: '425/200 0/200 425/200 0/4000',
    information: SIT,
  },
  SE: {
    source: E180,
    dial: '425',
    ringback: '425/1000 0/5000',
    busy: '425/250 0/250',
    congestion: '425/250 0/750',
    callWaiting: '425/200 0/500 425/200 0/9100',
    information: '950/332 0/24 1400/332 0/24 1800/332 0/2024',
  },
  NO: {
    source: PBX_TABLES,
    dial: '425',
    ringback: '425/1000 0/4000',
    busy: '425/500 0/500',
    congestion: '425/200 0/200',
    callWaiting: '425/200 0/600 425/200 0/10000',
    information: SIT,
  },
  DK: {
    source: E180,
    dial: '425',
    ringback: '425/1000 0/4000',
    busy: '425/500 0/500',
    congestion: '425/200 0/200',
    callWaiting: '425/200 0/600 425/200 0/3000',
    information: SIT,
  },
  FI: {
    source: PBX_TABLES,
    dial: '425',
    ringback: '425/1000 0/4000',
    busy: '425/300 0/300',
    congestion: '425/200 0/200',
    callWaiting: '425/150 0/150 425/150 0/8000',
    information: SIT,
  },
  PL: {
    source: E180,
    dial: '425',
    ringback: '425/1000 0/4000',
    busy: '425/500 0/500',
    congestion: '425/500 0/500',
    callWaiting: '425/150 0/150 425/150 0/4000',
    information: SIT,
  },
  CZ: {
    source: E180,
    dial: '425/330 0/330 425/660 0/660',
    ringback: '425/1000 0/4000',
    busy: '425/330 0/330',
    congestion: '425/165 0/165',
    callWaiting: '425/330 0/9000',
    information: '950/330 0/30 1400/330 0/30 1800/330 0/1000',
  },
  PT: {
    source: PBX_TABLES,
    dial: '425',
    ringback: '425/1000 0/5000',
    busy: '425/500 0/500',
    congestion: '425/200 0/200',
    callWaiting: '440/300 0/10000',
    information: SIT,
  },
  IE: {
    source: PBX_TABLES,
    dial: '425',
    ringback: '400+450/400 0/200 400+450/400 0/2000',
    busy: '425/500 0/500',
    congestion: '425/250 0/250',
    callWaiting: '425/180 0/200 425/200 0/4500',
    information: SIT,
  },
  AU: {
    source: 'ACIF S002:2001',
    dial: '413+438',
    ringback: '413+438/400 0/200 413+438/400 0/2000',
    busy: '425/375 0/375',
    congestion: '425/375 0/375',
    callWaiting: '425/200 0/200 425/200 0/4400',
    information: '425/2500 0/500',
  },
  NZ: {
    source: 'Telecom New Zealand TNA 102',
    dial: '400',
    ringback: '400+450/400 0/200 400+450/400 0/2000',
    busy: '400/500 0/500',
    congestion: '400/250 0/250',
    callWaiting: '400/200 0/3000',
    information: '400/750 0/100 400/750 0/100 400/750 0/100 400/750 0/400',
  },
  JP: {
    source: PBX_TABLES,
    dial: '400',
    ringback: '400*16/1000 0/2000',
    busy: '400/500 0/500',
    congestion: '400/500 0/500',
    callWaiting: '400*16/500 0/8000',
    information: SIT,
  },
  CN: {
    source: E180,
    dial: '450',
    ringback: '450/1000 0/4000',
    busy: '450/350 0/350',
    congestion: '450/700 0/700',
    callWaiting: '450/400 0/4000',
    information: '450/100 0/100 450/100 0/100 450/100 0/100 450/400 0/400',
  },
  IN: {
    source: PBX_TABLES,
    dial: '400*25',
    ringback: '400*25/400 0/200 400*25/400 0/2000',
    busy: '400/750 0/750',
    congestion: '400/250 0/250',
    callWaiting: '400/200 0/100 400/200 0/7500',
    information: SIT,
  },
  BR: {
    source: PBX_TABLES,
    dial: '425',
    ringback: '425/1000 0/4000',
    busy: '425/250 0/250',
    congestion: '425/250 0/250 425/750 0/250',
    callWaiting: '425/50 0/1000',
    information: SIT,
  },
  MX: {
    source: PBX_TABLES,
    dial: '425',
    ringback: '425/1000 0/4000',
    busy: '425/250 0/250',
    congestion: '425/250 0/250',
    callWaiting: '425/200 0/600 425/200 0/10000',
    information: '950/330 0/30 1400/330 0/30 1800/330 0/1000',
  },
  ZA: {
    source: PBX_TABLES,
    dial: '400*33',
    ringback: '400*33/400 0/200 400*33/400 0/2000',
    busy: '400/500 0/500',
    congestion: '400/250 0/250',
    callWaiting: '400*33/250 0/250 400*33/250 0/250 400*33/250 0/250 400*33/250 0/250',
    information: '950/330 1400/330 1800/330 0/330',
  },
  IL: {
    source: PBX_TABLES,
    dial: '414',
    ringback: '414/1000 0/3000',
    busy: '414/500 0/500',
    congestion: '414/250 0/250',
    callWaiting: '414/100 0/100 414/100 0/100 414/600 0/3000',
    information: '1000/330 1400/330 1800/330 0/1000',
  },
  KR: {
    source: PBX_TABLES,
    dial: '350+440',
    ringback: '440+480/1000 0/2000',
    busy: '480+620/500 0/500',
    congestion: '480+620/300 0/200',
    callWaiting: '350+440/250 0/250 350+440/250 0/3250',
    information: SIT,
  },
  SG: {
    source: 'IDA TS PSTN 1',
    dial: '425',
    ringback: '425*24/400 0/200 425*24/400 0/2000',
    busy: '425/750 0/750',
    congestion: '425/250 0/250',
    callWaiting: '425*24/300 0/200 425*24/300 0/3200',
    information: SIT,
  },
  RU: {
    source: 'GOST 45.223-2001',
    dial: '425',
    ringback: '425/1000 0/4000',
    busy: '425/350 0/350',
    congestion: '425/175 0/175',
    callWaiting: '425/200 0/5000',
    information: SIT,
  },
}
