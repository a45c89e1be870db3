/** One video file, encoded by WebCodecs through mediabunny. */
import type { BufferTarget, Output, VideoSample, VideoSampleSource } from 'mediabunny';
import { ModelError } from '../../base/errors.ts';
import type { FrameImage } from '../dataset.ts';
import { toI420 } from './i420.ts';
import type { VideoCodecName } from './options.ts';

/** As lerobot encodes (`g=2`): any frame is reached by decoding two. */
const KEY_FRAME_EACH = 2;
/** On the codec's own scale, where less is better: about what is not seen. */
const QUANTIZER = { avc: 18, av1: 20 } as const;
const COLOR_SPACE: VideoColorSpaceInit = {
  primaries: 'smpte170m',
  transfer: 'smpte170m',
  matrix: 'smpte170m',
  fullRange: false,
};

export interface VideoFormat {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly codec: VideoCodecName;
}

/**
 * The codec to encode these sizes with: H.264, which everything decodes, else AV1.
 * @throws ModelError `unsupported` where neither can be encoded
 */
export async function chooseCodec(
  sizes: readonly { readonly width: number; readonly height: number }[],
  wanted: VideoCodecName | undefined,
): Promise<VideoCodecName> {
  const { canEncodeVideo } = await import('mediabunny');
  const codecs: readonly VideoCodecName[] = wanted ? [wanted] : ['avc', 'av1'];
  for (const codec of codecs) {
    let works = true;
    for (const { width, height } of sizes) {
      // H.264 has whole blocks of 2×2 pixels; a cropped size is not what the frames are.
      const fits = codec === 'av1' || (width % 2 === 0 && height % 2 === 0);
      works &&= fits && (await canEncodeVideo(codec, { width, height }).catch(() => false));
    }
    if (works) return codec;
  }
  throw new ModelError(
    'unsupported',
    `Frames of ${sizes.map(({ width, height }) => `${width}×${height}`).join(', ')} cannot be encoded here as ` +
      `${codecs.map((codec) => CODEC_NAMES[codec].shown).join(' or ')}.`,
    'Write images instead of video, or use another browser. H.264 needs an even width and height.',
  );
}

/** As info.json and people call them. */
export const CODEC_NAMES = {
  avc: { inInfo: 'h264', shown: 'H.264' },
  av1: { inInfo: 'av1', shown: 'AV1' },
} as const satisfies Record<VideoCodecName, unknown>;

export class VideoFile {
  readonly #format: VideoFormat;
  readonly #output: Output<never, BufferTarget>;
  readonly #source: VideoSampleSource;
  readonly #sample: typeof VideoSample;
  #frames = 0;
  #bytes = 0;

  private constructor(
    format: VideoFormat,
    output: Output<never, BufferTarget>,
    source: VideoSampleSource,
    sample: typeof VideoSample,
  ) {
    this.#format = format;
    this.#output = output;
    this.#source = source;
    this.#sample = sample;
  }

  static async open(format: VideoFormat): Promise<VideoFile> {
    const media = await import('mediabunny');
    const output = new media.Output({
      format: new media.Mp4OutputFormat({ fastStart: 'in-memory' }),
      target: new media.BufferTarget(),
    });
    let file: VideoFile | null = null;
    const source = new media.VideoSampleSource({
      codec: format.codec,
      quality: new media.Quality({ quantizer: QUANTIZER[format.codec], bitrate: fallbackBitrate(format) }),
      keyFrameInterval: KEY_FRAME_EACH / format.fps,
      onEncodedPacket: (packet) => {
        if (file) file.#bytes += packet.byteLength;
      },
    });
    output.addVideoTrack(source, Number.isInteger(format.fps) ? { frameRate: format.fps } : {});
    file = new VideoFile(format, output as Output<never, BufferTarget>, source, media.VideoSample);
    await output.start();
    return file;
  }

  get frames(): number {
    return this.#frames;
  }

  /** Bytes encoded so far; the encoder may hold a few frames back. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** @param key whether the frame begins an episode @throws ModelError `bad-file` for a frame of another size */
  async add(image: FrameImage, key: boolean): Promise<void> {
    const { width, height, fps } = this.#format;
    const sample = new this.#sample(toI420(image), {
      format: 'I420',
      codedWidth: width,
      codedHeight: height,
      timestamp: this.#frames / fps,
      duration: 1 / fps,
      colorSpace: COLOR_SPACE,
    });
    try {
      await this.#source.add(sample, { keyFrame: key || this.#frames % KEY_FRAME_EACH === 0 });
    } finally {
      sample.close();
    }
    this.#frames++;
  }

  async finish(): Promise<Uint8Array<ArrayBuffer>> {
    await this.#output.finalize();
    return new Uint8Array(this.#output.target.buffer!);
  }

  async cancel(): Promise<void> {
    if (this.#output.state === 'started') await this.#output.cancel();
  }
}

/** Where the encoder takes no quantizer: two bits a pixel, since every other frame is a key frame. */
const fallbackBitrate = ({ width, height, fps }: VideoFormat): number =>
  Math.max(1e6, Math.round(width * height * fps * 2));
