/** Frames of a video file by index, decoded by WebCodecs through mediabunny. */
import type { Input, InputVideoTrack, VideoSample, VideoSampleSink } from 'mediabunny';
import { ModelError } from '../model/errors.ts';
import type { FrameImage } from './dataset.ts';
import type { ByteReader } from '../io/byte-reader.ts';
import { drawn } from './image-decode.ts';

/** Frames ahead of the last one that are reached by decoding on instead of seeking. */
const DECODE_ON = 32;

/** One video file. Consecutive frames are decoded in one go; any other is sought. */
export class VideoFrames {
  readonly #path: string;
  readonly #input: Input;
  readonly #sink: VideoSampleSink;
  #turn: Promise<unknown> = Promise.resolve();
  #sequence: AsyncGenerator<VideoSample, void, unknown> | null = null;
  /** Last frame decoded, and the one after it where the iterator went further. */
  #last: { timestamp: number; image: FrameImage } | null = null;

  private constructor(path: string, input: Input, sink: VideoSampleSink) {
    this.#path = path;
    this.#input = input;
    this.#sink = sink;
  }

  /** @throws ModelError `unsupported` where nothing decodes the codec, `bad-file` for what is no video */
  static async open(file: ByteReader, path: string): Promise<VideoFrames> {
    if (typeof VideoDecoder === 'undefined') {
      throw new ModelError('unsupported', `${path} is a video, and only a browser decodes those.`);
    }
    const {
      ALL_FORMATS,
      CustomSource,
      Input: MediaInput,
      VideoSampleSink: Sink,
    } = await import('mediabunny');
    const input = new MediaInput({
      formats: ALL_FORMATS,
      source: new CustomSource({
        getSize: () => file.byteLength,
        read: (start, end) => file.slice(start, end),
      }),
    });
    try {
      const track: InputVideoTrack | null = await input.getPrimaryVideoTrack();
      if (!track) throw new ModelError('bad-file', `${path} holds no video.`, 'Copy the dataset again.');
      if (!(await track.canDecode())) {
        const codec = (await track.getCodecParameterString()) ?? (await track.getCodec()) ?? 'unknown';
        throw new ModelError(
          'unsupported',
          `${path} is encoded as ${codec}, which this browser cannot decode.`,
          'Re-encode the videos to H.264 or AV1, or use another browser.',
        );
      }
      return new VideoFrames(path, input, new Sink(track));
    } catch (error) {
      input.dispose();
      if (error instanceof ModelError) throw error;
      throw new ModelError('bad-file', `${path} cannot be read as a video.`, 'Copy the dataset again.', {
        cause: error,
      });
    }
  }

  /**
   * The frame shown at `time` seconds of the file. Who asks while another frame is decoded waits: there is one decoder.
   * @param fps of the data set: a frame lasts 1 / fps
   */
  at(time: number, fps: number): Promise<FrameImage> {
    return this.#inTurn(() => this.#at(time, fps));
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #at(time: number, fps: number): Promise<FrameImage> {
    // Half a frame on, so that rounding of timestamps never picks the one before.
    const wanted = time + 0.5 / fps;
    const last = this.#last;
    if (last && last.timestamp <= wanted && wanted < last.timestamp + 1 / fps) return last.image;
    try {
      const ahead = last === null ? Infinity : (wanted - last.timestamp) * fps;
      if (!this.#sequence || ahead < 0 || ahead > DECODE_ON) await this.#seek(Math.max(0, wanted - 1 / fps));
      for (;;) {
        const next = await this.#sequence!.next();
        if (next.done) break;
        const sample = next.value;
        try {
          if (wanted >= sample.timestamp + 1 / fps && wanted >= sample.timestamp + sample.duration) continue;
          this.#last = { timestamp: sample.timestamp, image: imageOf(sample) };
        } finally {
          sample.close();
        }
        return this.#last.image;
      }
    } catch (error) {
      await this.#seek(null);
      throw new ModelError(
        'bad-file',
        `${this.#path} cannot be decoded at ${time.toFixed(3)} s: ${error instanceof Error ? error.message : String(error)}`,
        'The video is damaged; copy the dataset again.',
        { cause: error },
      );
    }
    await this.#seek(null);
    throw new ModelError(
      'bad-file',
      `${this.#path} ends before ${time.toFixed(3)} s, where a frame is expected.`,
      'The video is truncated; copy the dataset again.',
    );
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#seek(null);
      this.#input.dispose();
    });
  }

  async #seek(time: number | null): Promise<void> {
    const old = this.#sequence;
    this.#sequence = null;
    this.#last = null;
    await old?.return();
    if (time !== null) this.#sequence = this.#sink.samples(time);
  }
}

function imageOf(sample: VideoSample): FrameImage {
  const frame = sample.toVideoFrame();
  try {
    return drawn(frame, frame.displayWidth, frame.displayHeight);
  } finally {
    frame.close();
  }
}
