/** Collects what a run computes under the names the golden files use. */
export class Recorder {
  readonly #first = new Map<string, Float32Array>();
  readonly #all = new Map<string, Float32Array[]>();

  /** To be handed to a policy as its trace. `shape[0]` is the number of images for the vision stages. */
  record = (stage: string, data: Float32Array, shape: readonly number[]): void => {
    const vision = /^vision\/(\w+)\/(.*)$/.exec(stage);
    if (!vision) {
      this.#keep(stage, data);
      return;
    }
    const [, featurizer, name] = vision as unknown as [string, string, string];
    const film = /^block(\d+)\.(gamma|beta)$/.exec(name);
    if (film) {
      this.#keep(`film/${featurizer}/block${film[1]}/${film[2]}`, data);
      return;
    }
    const images = shape[0] ?? 1;
    const size = data.length / images;
    for (let i = 0; i < images; i++) {
      this.#keep(`vision/${featurizer}/img${i}/${name}`, data.slice(i * size, (i + 1) * size));
    }
  };

  get stages(): string[] {
    return [...this.#first.keys()];
  }

  /** Forgets everything: for the next run of the same policy. */
  clear(): void {
    this.#first.clear();
    this.#all.clear();
  }

  first(stage: string): Float32Array | undefined {
    return this.#first.get(stage);
  }

  /** Every recorded value of a stage that runs once per DDIM step. */
  all(stage: string): Float32Array[] {
    return this.#all.get(stage) ?? [];
  }

  #keep(stage: string, data: Float32Array): void {
    if (!this.#first.has(stage)) this.#first.set(stage, data);
    const list = this.#all.get(stage);
    if (list) list.push(data);
    else this.#all.set(stage, [data]);
  }
}

export function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
