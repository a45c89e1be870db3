/** Frames of a video file by time, decoded by WebCodecs (in Node by FFmpeg) through mediabunny. */
import type { EncodedPacketSink, Input, InputVideoTrack, VideoSample, VideoSampleSink } from 'mediabunny';
import type { ByteReader } from '../io/byte-reader.ts';
import { ModelError } from '../base/errors.ts';
import type { FrameImage } from './dataset.ts';
import { drawn } from './image-decode.ts';
import { checkMp4Counts } from './mp4-counts.ts';
import { PLANAR_FORMATS, turned, yuvToRgba, type YuvColours } from './yuv.ts';

/** Frames ahead of the last one that are reached by decoding on instead of seeking. */
const DECODE_ON = 32;
/** Packets that tell the rate. */
const RATE_PACKETS = 64;
/** Of the video's own frame: what rounding does to time stamps. */
const ROUNDING = 0.25;
/** Timestamps of packets and of decoded frames may differ by what a microsecond cannot hold. */
const SAME_FRAME = 2e-6;
/** 8K: a header that claims more is damaged. */
const MOST_PIXELS = 2 ** 26;

/** What is read of a file once. */
interface Track {
  readonly packets: EncodedPacketSink;
  readonly samples: VideoSampleSink;
  readonly colours: YuvColours;
  /** Seconds; the last frame is shown until `end`. */
  readonly first: number;
  readonly end: number;
  readonly frameDuration: number;
}

/** One video file. Consecutive frames are decoded in one go; any other is sought. */
export class VideoFrames {
  readonly #path: string;
  readonly #input: Input;
  readonly #track: Track;
  #turn: Promise<unknown> = Promise.resolve();
  #sequence: AsyncGenerator<VideoSample, void, unknown> | null = null;
  #last: { readonly timestamp: number; readonly image: FrameImage } | null = null;
  #planes = new Uint8Array();

  private constructor(path: string, input: Input, track: Track) {
    this.#path = path;
    this.#input = input;
    this.#track = track;
  }

  /** @throws ModelError `unsupported` where nothing here decodes the codec, `bad-file` for what is not a video */
  static async open(file: ByteReader, path: string): Promise<VideoFrames> {
    await checkMp4Counts(file);
    const { ALL_FORMATS, CustomSource, Input: MediaInput } = await import('mediabunny');
    const input = new MediaInput({
      formats: ALL_FORMATS,
      source: new CustomSource({
        getSize: () => file.byteLength,
        read: (start, end) => file.slice(start, end),
      }),
    });
    try {
      const track = await input.getPrimaryVideoTrack();
      if (!track) throw new ModelError('bad-file', `${path} holds no video.`, 'Copy the dataset again.');
      if (!(await track.canDecode())) throw await undecodable(track, path);
      return new VideoFrames(path, input, await describe(track, path));
    } catch (error) {
      input.dispose();
      if (error instanceof ModelError) throw error;
      throw new ModelError('bad-file', `${path} cannot be read as a video.`, 'Copy the dataset again.', {
        cause: error,
      });
    }
  }

  /** Frames a second, by the first ones. */
  get rate(): number {
    return 1 / this.#track.frameDuration;
  }

  /**
   * The frame shown at `time` seconds of the file. Who asks while another frame is decoded waits: there is one decoder.
   * @param rounding seconds by which a frame may start late and is still meant
   * @throws ModelError `bad-file` where no frame is shown at that time, or it cannot be decoded
   */
  at(time: number, rounding: number): Promise<FrameImage> {
    return this.#inTurn(() => this.#at(time, rounding));
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#seek(null);
      this.#input.dispose();
    });
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #at(time: number, rounding: number): Promise<FrameImage> {
    try {
      const timestamp = await this.#shownAt(time, rounding);
      const last = this.#last;
      if (last && Math.abs(last.timestamp - timestamp) < SAME_FRAME) return last.image;
      return await this.#decode(timestamp);
    } catch (error) {
      await this.#seek(null).catch(() => undefined);
      if (error instanceof ModelError) throw error;
      throw new ModelError(
        'bad-file',
        `${this.#path} cannot be decoded at ${time.toFixed(3)} s: ${error instanceof Error ? error.message : String(error)}.`,
        'The video is damaged. Copy the dataset again.',
        { cause: error },
      );
    }
  }

  /** Time stamp of the frame that is shown; the packets tell it without decoding. */
  async #shownAt(time: number, rounding: number): Promise<number> {
    const { first, end, frameDuration, packets } = this.#track;
    const slack = Math.min(rounding, ROUNDING * frameDuration);
    if (time < end - slack) {
      const packet = await packets.getPacket(time + slack, { metadataOnly: true });
      if (packet) return packet.timestamp;
    }
    throw new ModelError(
      'bad-file',
      time < first
        ? `${this.#path} starts at ${first.toFixed(3)} s, after ${time.toFixed(3)} s, where a frame is expected.`
        : `${this.#path} ends at ${end.toFixed(3)} s; a frame is expected at ${time.toFixed(3)} s.`,
      time < first
        ? 'Its time stamps are shifted. Encode it again with lerobot, or trim these steps away.'
        : 'The video is truncated. Copy the dataset again, or trim these steps away.',
    );
  }

  async #decode(timestamp: number): Promise<FrameImage> {
    const last = this.#last;
    const ahead = last ? (timestamp - last.timestamp) / this.#track.frameDuration : Infinity;
    if (!this.#sequence || !(ahead > 0 && ahead <= DECODE_ON)) await this.#seek(timestamp);
    for (;;) {
      const next = await this.#sequence!.next();
      if (next.done) throw new Error('the decoder gave no frame for it');
      const sample = next.value;
      try {
        if (sample.timestamp < timestamp - SAME_FRAME) continue;
        if (sample.timestamp > timestamp + SAME_FRAME) throw new Error('the decoder left its frame out');
        this.#last = { timestamp, image: await this.#imageOf(sample) };
      } finally {
        sample.close();
      }
      return this.#last.image;
    }
  }

  async #seek(time: number | null): Promise<void> {
    const old = this.#sequence;
    this.#sequence = null;
    this.#last = null;
    await old?.return();
    if (time !== null) this.#sequence = this.#track.samples.samples(time);
  }

  async #imageOf(sample: VideoSample): Promise<FrameImage> {
    const { codedWidth: width, codedHeight: height, rotation, flip } = sample;
    const format = sample.format === null ? undefined : PLANAR_FORMATS[sample.format];
    if (!format) return turned(await asDrawn(sample, width, height), rotation, flip);
    const size = sample.allocationSize();
    if (this.#planes.byteLength < size) this.#planes = new Uint8Array(size);
    const layout = await sample.copyTo(this.#planes);
    const data = yuvToRgba(this.#planes, layout, format, width, height, this.#track.colours);
    return turned({ width, height, data }, rotation, flip);
  }
}

/** A frame in RGB, or in a form that only the browser itself can convert. */
async function asDrawn(sample: VideoSample, width: number, height: number): Promise<FrameImage> {
  if (sample.format !== null || typeof OffscreenCanvas === 'undefined') {
    const data = new Uint8ClampedArray(sample.allocationSize({ format: 'RGBX' }));
    await sample.copyTo(data, { format: 'RGBX' });
    for (let i = 3; i < data.length; i += 4) data[i] = 255;
    return { width, height, data };
  }
  const frame = sample.toVideoFrame();
  try {
    return drawn(frame, width, height);
  } finally {
    frame.close();
  }
}

async function describe(track: InputVideoTrack, path: string): Promise<Track> {
  const { EncodedPacketSink: PacketSink, VideoSampleSink: SampleSink } = await import('mediabunny');
  const pixels = (await track.getCodedWidth()) * (await track.getCodedHeight());
  if (!(pixels > 0 && pixels <= MOST_PIXELS)) {
    throw new ModelError('bad-file', `${path} claims frames of ${pixels} pixels.`, 'Copy the dataset again.');
  }
  const { averagePacketRate: rate } = await track.computePacketStats(RATE_PACKETS);
  return {
    packets: new PacketSink(track),
    samples: new SampleSink(track),
    colours: coloursOf(await track.getColorSpace()),
    first: await track.getFirstTimestamp(),
    end: await track.computeDuration(),
    frameDuration: rate > 0 ? 1 / rate : Infinity,
  };
}

/** As the container or the stream says. The browser's own guess, BT.709 for some, is not asked. */
function coloursOf({ matrix, fullRange }: VideoColorSpaceInit): YuvColours {
  return {
    matrix: matrix === 'bt709' ? 'bt709' : matrix?.startsWith('bt2020') ? 'bt2020' : 'bt601',
    fullRange: fullRange ?? false,
  };
}

async function undecodable(track: InputVideoTrack, path: string): Promise<ModelError> {
  const codec = (await track.getCodecParameterString()) ?? (await track.getCodec()) ?? 'an unknown codec';
  return new ModelError(
    'unsupported',
    typeof VideoDecoder === 'undefined'
      ? `${path} is a video encoded as ${codec}, and nothing here decodes it.`
      : `${path} is encoded as ${codec}, which this browser cannot decode.`,
    typeof VideoDecoder === 'undefined'
      ? 'Open it in a browser, or register decoders first (tools/node/decoders.ts).'
      : 'Re-encode the videos to H.264 or AV1, or use another browser.',
  );
}
