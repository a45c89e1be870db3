import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Lowering, OnnxAttrs } from './op.ts';
import { opNamed } from './ops/index.ts';
import { BLOCK_SIZE, sizeOf, type Graph, type Shape, type Value } from './types.ts';

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

/** Writes a graph as ONNX protobuf bytes. Weights stay inputs; only shapes, axes and scalars become initialisers. */
export function toOnnx(graph: Graph): OnnxModel {
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
  const bindPacked = (value: Value, form: 'blocks' | 'grid') => {
    const of = inputNames.get(value.id)!;
    const [n, k] = value.shape as [number, number];
    const bits = value.dtype === 'q4' ? 4 : 8;
    const blocks = Math.ceil(k / BLOCK_SIZE);
    const bind = (part: OnnxInput['part'], type: OnnxInput['type'], shape: Shape): string => {
      const name = `${of}:${part}`;
      inputs.set(name, { name, of, part, type, shape });
      return name;
    };
    const data =
      form === 'blocks'
        ? bind('blocks', 'uint8', [n, blocks, (BLOCK_SIZE * bits) / 8])
        : bind('grid', bits === 4 ? 'uint4' : 'uint8', [n, blocks * BLOCK_SIZE]);
    const zeroPoints =
      form === 'blocks'
        ? ''
        : initialise(`zero ${bits} ${n}x${blocks}`, (name) => {
            const bytes = new Uint8Array(Math.ceil((n * blocks * bits) / 8)).fill(bits === 4 ? 0x88 : 0x80);
            return tensorProto(name, bits === 4 ? 'uint4' : 'uint8', [n, blocks], bytes);
          });
    return { data, scales: bind('scales', 'float32', [n, blocks]), zeroPoints };
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
    packed: bindPacked,
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

/** Bytes a float32 tensor of this shape takes. */
export const float32ByteLength = (shape: Shape): number => 4 * sizeOf(shape);
