/*
 * Reference results for G.722 at 64 kbit/s, as SHA-256 of 16,000 samples or octets: what the stimuli below must turn
 * into. The digital test sequences of G.722 Appendix II are not free to ship; these go the same two roads, with stimuli
 * of our own that reach the same corners (full-scale noise, DC steps, overload, every code in any order).
 *
 * - `codecVectors`: whole codec, filters included. The octets of ffmpeg 5.1.9 and of spandsp 0.0.6 are the same; the
 *   decoded samples are ffmpeg's (of little-endian 16-bit samples).
 * - `bandVectors`: Appendix II configurations 1 and 2, the filters bypassed: spandsp 0.0.6, whose ADPCM passes the
 *   ITU-T sequences, in its test mode. A 16-bit sample with its lowest bit dropped goes into both bands; out come the
 *   samples of both bands in turn, doubled.
 */

export interface Vector {
  readonly stimulus: keyof typeof stimuli
  /** The first octets of the code, in hex, to see by eye where it goes wrong. */
  readonly start?: string
  readonly encoded: string
  readonly decoded: string
}

export const codecVectors: readonly Vector[] = [
  {
    stimulus: 'noise',
    start: '922084208420870aad0431b512b19309a82486a510a3292c',
    encoded: 'a31c74e2ebf074b984354a592b593db7cd8d67d8e74743f06daf1062f769e784',
    decoded: 'b4bc5e4308cbc4fcf13ab654f9cac4309a7f8c57b6ab80ad2b6df9659fd4bb11',
  },
  {
    stimulus: 'quiet',
    start: 'de7ab7ec93209c12b00a34ba1ff69b17f3ef95f05bef3736',
    encoded: 'd7fedd24c91d0f7dcbf88efd5aae73e7a3e85c8cc8d72f96b7145fcf7d18aeb1',
    decoded: 'aa5d735d640287b6eddfec7d77008828df9d9d2d3132aaa4ea157a7569f1eb94',
  },
  {
    stimulus: 'steps',
    start: '8c2084208420a022a122a2e263e4e5e5e5e6e7e7e9e9e9ea',
    encoded: '95b147f4827865a46d789d79e03107dab92a7a888ae56f64977c06f79afceeb0',
    decoded: '2c9daddb0bf97e8ca4362f856e8d9595a0549945234a535168c37a927a92b744',
  },
  {
    stimulus: 'triangle',
    start: '2c8420842084049d6f26a7329c0f0c9738ace72efc168dd3',
    encoded: '63fe0211aa66cd1cbbf5b53ea7d83fbcb2944189aa577ada253adc3b81f8d773',
    decoded: '8211c0b847e57b4d3e2a15035570f2cda7c4bcc6550af570d59c121160a92a66',
  },
]

export const bandVectors: readonly Vector[] = [
  {
    stimulus: 'noise',
    encoded: 'ca527fb4310aad79fddf58839cc802513ee1c18dffada62a6a3af8f1a9057f4c',
    decoded: '03ec5c74e055f06f023dbee58a7c124c23b05c273ed878fc1d51988f6d001ccb',
  },
  {
    stimulus: 'steps',
    encoded: 'b4da55485a5ebff5b3b81aa9affce55c1269edd62802c4659b73d43a34f45304',
    decoded: 'bcfbdbca7454e6280fe165ebca083069f59c320d634601028f278f5cb5a77f19',
  },
  {
    stimulus: 'square',
    encoded: '2e88d4acca0675d2935abb1e3d853b543b8075b81ceaab22c385287ed061bc8f',
    decoded: '9bf91070bdc1478a95b73269ccbb161b9995ac19f8f8ee76753932bf902ee3c2',
  },
  {
    stimulus: 'triangle',
    encoded: '6dc26754ed07c1f5296596c99843390ec22f7dcb40bf2054615f7c1633d204df',
    decoded: '2413372957bd6553e16626fd8a1d54bd29685de8a95efb73eeb451ca04f21110',
  },
]

/** Octets as they come, none of them from an encoder: what a hostile or broken peer may send. */
export const randomCodes = {
  codec: '52fa1580d7fbc0b899a0e5057008acf8ef9a51718303631159880b73b5ee317c',
  bands: 'd16603b7fde826fbf5dbebaadab937e9189d3c903297db95da923492263bb109',
}

/** The generator of the vectors, of 32 bits; its upper bits are what counts. */
export function sequence(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0)
}

export const stimuli = {
  noise: (_: number, next: () => number): number => next() >> 16,
  quiet: (_: number, next: () => number): number => next() >> 24,
  steps: (i: number): number => (i % 4000 < 2000 ? 20_000 : -3),
  triangle: (i: number): number => (i % 17 < 9 ? i % 17 : 17 - (i % 17)) * 3000 - 12_000,
  square: (i: number): number => (i % 160 < 80 ? 32_767 : -32_768),
}

export function stimulus(name: keyof typeof stimuli): Int16Array {
  const next = sequence(1)
  return Int16Array.from({ length: 16_000 }, (_, i) => stimuli[name](i, next))
}
