import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Lowering, OnnxAttrs } from './op.ts';
import { opNamed } from './ops/index.ts';
import { BLOCK_SIZE, type Graph, type Shape, type Value } from './types.ts';

/** How an IR input appears in the ONNX model: itself, or the packed parts of a quantised weight. */
export interface OnnxInput {
  readonly name: string;
  /** The IR input it belongs to. */
  readonly of: string;
  readonly part: 'value' | 'blocks' | 'grid' | 'scales';
  readonly type: 'float32' | 'uint8' | 'uint4';
  readonly shape: Shape;
}

export interface OnnxModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly inputs: readonly OnnxInput[];
  readonly outputs: readonly { name: string; shape: Shape }[];
}

// Field numbers and enum values of onnx.proto (ONNX IR version 10, opset 21).
const ELEMENT = { float32: 1, uint8: 2, int64: 7, uint4: 21 } as const;
const ATTRIBUTE = { float: 1, int: 2, ints: 7 } as const;
const IR_VERSION = 10;
const OPSET = 21;

type Element = keyof typeof ELEMENT;

const message = (write: (w: BinaryWriter) => void): Uint8Array => {
  const w = new BinaryWriter();
  write(w);
  return w.finish();
};
const bytesField = (w: BinaryWriter, field: number, value: Uint8Array) =>
  w.tag(field, WireType.LengthDelimited).bytes(value);
const stringField = (w: BinaryWriter, field: number, value: string) =>
  w.tag(field, WireType.LengthDelimited).string(value);
const intField = (w: BinaryWriter, field: number, value: number) =>
  w.tag(field, WireType.Varint).int64(value);

function tensorProto(name: string, type: Element, shape: Shape, raw: Uint8Array): Uint8Array {
  return message((w) => {
    for (const dim of shape) intField(w, 1, dim);
    intField(w, 2, ELEMENT[type]);
    stringField(w, 8, name);
    bytesField(w, 9, raw);
  });
}

function valueInfo(name: string, type: Element, shape: Shape): Uint8Array {
  const dims = message((w) => {
    for (const dim of shape)
      bytesField(
        w,
        1,
        message((d) => intField(d, 1, dim)),
      );
  });
  const tensorType = message((w) => {
    intField(w, 1, ELEMENT[type]);
    bytesField(w, 2, dims);
  });
  return message((w) => {
    stringField(w, 1, name);
    bytesField(
      w,
      2,
      message((t) => bytesField(t, 1, tensorType)),
    );
  });
}

function attribute(name: string, value: OnnxAttrs[string]): Uint8Array {
  return message((w) => {
    stringField(w, 1, name);
    if (typeof value === 'number') {
      w.tag(2, WireType.Bit32).float(value);
      intField(w, 20, ATTRIBUTE.float);
    } else if ('int' in value) {
      intField(w, 3, value.int);
      intField(w, 20, ATTRIBUTE.int);
    } else {
      for (const int of value.ints) intField(w, 8, int);
      intField(w, 20, ATTRIBUTE.ints);
    }
  });
}

const rawBytes = (data: Float32Array | BigInt64Array) =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

export interface OnnxOptions {
  /** Whether the runtime can bind uint4 tensors: onnxruntime-web can, onnxruntime-node 1.30 cannot. */
  readonly uint4: boolean;
}

/** q4 blocks [N, blocks, 16] as bytes → [N, blocks · 32] in float32, by arithmetic that every provider has. */
function unpackNibbles(
  to: Lowering,
  { data, scales }: { data: string; scales: string },
  n: number,
  blocks: number,
): string {
  const bytes = to.emit('Cast', [data], { to: { int: ELEMENT.float32 } });
  const high = to.emit('Floor', [to.emit('Mul', [bytes, to.floats([1 / 16], [])])]);
  const low = to.emit('Sub', [bytes, to.emit('Mul', [high, to.floats([16], [])])]);
  const column = to.ints([n, blocks, BLOCK_SIZE / 2, 1]);
  const pairs = to.emit('Concat', [to.emit('Reshape', [low, column]), to.emit('Reshape', [high, column])], {
    axis: { int: 3 },
  });
  const codes = to.emit('Sub', [
    to.emit('Reshape', [pairs, to.ints([n, blocks, BLOCK_SIZE])]),
    to.floats([8], []),
  ]);
  const values = to.emit('Mul', [codes, to.emit('Reshape', [scales, to.ints([n, blocks, 1])])]);
  return to.emit('Reshape', [values, to.ints([n, blocks * BLOCK_SIZE])]);
}

/** Writes a graph as ONNX protobuf bytes. Weights stay inputs; only shapes, axes and scalars become initialisers. */
export function toOnnx(graph: Graph, options: OnnxOptions = { uint4: true }): OnnxModel {
  const nodes: Uint8Array[] = [];
  const initialisers = new Map<string, Uint8Array>();
  const names = new Map<number, string>();
  const inputNames = new Map(graph.inputs.map(({ name, value }) => [value.id, name]));
  const inputs = new Map<string, OnnxInput>();
  let counter = 0;

  const initialise = (key: string, make: (name: string) => Uint8Array): string => {
    const name = `const ${key}`;
    if (!initialisers.has(name)) initialisers.set(name, make(name));
    return name;
  };
  const bind = (of: string, part: OnnxInput['part'], type: OnnxInput['type'], shape: Shape): string => {
    const name = `${of}:${part}`;
    inputs.set(name, { name, of, part, type, shape });
    return name;
  };
  const packing = (value: Value) => {
    const [n, k] = value.shape as [number, number];
    const bits = value.dtype === 'q4' ? 4 : 8;
    return { of: inputNames.get(value.id)!, n, bits, blocks: Math.ceil(k / BLOCK_SIZE) };
  };
  const packed = (value: Value) => {
    const { of, n, bits, blocks } = packing(value);
    return {
      data: bind(of, 'blocks', 'uint8', [n, blocks, (BLOCK_SIZE * bits) / 8]),
      scales: bind(of, 'scales', 'float32', [n, blocks]),
    };
  };
  const dequantised = (value: Value): string => {
    const { of, n, bits, blocks } = packing(value);
    if (bits === 4 && !options.uint4) return unpackNibbles(lowering, packed(value), n, blocks);
    const type = bits === 4 ? 'uint4' : 'uint8';
    const zero = initialise(`zero ${bits} ${n}x${blocks}`, (name) => {
      const bytes = new Uint8Array(Math.ceil((n * blocks * bits) / 8)).fill(bits === 4 ? 0x88 : 0x80);
      return tensorProto(name, type, [n, blocks], bytes);
    });
    const grid = bind(of, 'grid', type, [n, blocks * BLOCK_SIZE]);
    const scales = bind(of, 'scales', 'float32', [n, blocks]);
    return lowering.emit('DequantizeLinear', [grid, scales, zero], {
      axis: { int: 1 },
      block_size: { int: BLOCK_SIZE },
    });
  };

  const lowering: Lowering = {
    emit: (opType, operands, attrs = {}, domain = '') => {
      const output = `v${counter++}`;
      nodes.push(
        message((w) => {
          for (const operand of operands) stringField(w, 1, operand);
          stringField(w, 2, output);
          stringField(w, 3, `${opType}_${counter}`);
          stringField(w, 4, opType);
          for (const [name, value] of Object.entries(attrs)) bytesField(w, 5, attribute(name, value));
          if (domain) stringField(w, 7, domain);
        }),
      );
      return output;
    },
    ints: (values) =>
      initialise(`ints ${values.join(',')}`, (name) =>
        tensorProto(name, 'int64', [values.length], rawBytes(BigInt64Array.from(values, BigInt))),
      ),
    floats: (values, shape) =>
      initialise(`floats ${values.join(',')} ${shape.join('x')}`, (name) =>
        tensorProto(name, 'float32', shape, rawBytes(Float32Array.from(values))),
      ),
    positions: (batch, length) =>
      initialise(`positions ${batch}x${length}`, (name) => {
        const ids = BigInt64Array.from({ length: batch * length }, (_, i) => BigInt(i % length));
        return tensorProto(name, 'int64', [batch, length], rawBytes(ids));
      }),
    packed,
    dequantised,
  };

  for (const { name, value } of graph.inputs) {
    names.set(value.id, name);
    if (value.dtype === 'float32') {
      inputs.set(name, { name, of: name, part: 'value', type: 'float32', shape: value.shape });
    }
  }
  graph.constants.forEach(({ value, data }, i) => {
    names.set(
      value.id,
      initialise(`table ${i}`, (name) => tensorProto(name, 'float32', value.shape, rawBytes(data))),
    );
  });
  for (const node of graph.nodes) {
    const operands = node.inputs.map((input) => names.get(input.id) ?? '');
    names.set(node.output.id, opNamed(node.op).lower(lowering, operands, node));
  }
  // ONNX outputs are named by identity nodes, so that one value may be several outputs or an input too.
  const outputs = graph.outputs.map(({ name, value }) => ({
    name,
    shape: value.shape,
    from: names.get(value.id)!,
  }));
  for (const { name, from } of outputs) {
    nodes.push(
      message((w) => {
        stringField(w, 1, from);
        stringField(w, 2, name);
        stringField(w, 3, `output ${name}`);
        stringField(w, 4, 'Identity');
      }),
    );
  }

  const graphProto = message((w) => {
    for (const node of nodes) bytesField(w, 1, node);
    stringField(w, 2, graph.name);
    for (const initialiser of initialisers.values()) bytesField(w, 5, initialiser);
    for (const { name, type, shape } of inputs.values()) bytesField(w, 11, valueInfo(name, type, shape));
    for (const { name, shape } of outputs) bytesField(w, 12, valueInfo(name, 'float32', shape));
  });
  const opset = (domain: string, version: number) =>
    message((w) => {
      stringField(w, 1, domain);
      intField(w, 2, version);
    });
  const bytes = message((w) => {
    intField(w, 1, IR_VERSION);
    stringField(w, 2, 'openvla-web');
    bytesField(w, 7, graphProto);
    bytesField(w, 8, opset('', OPSET));
    bytesField(w, 8, opset('com.microsoft', 1));
  });
  return {
    bytes: bytes.slice(),
    inputs: [...inputs.values()],
    outputs: outputs.map(({ name, shape }) => ({ name, shape })),
  };
}
