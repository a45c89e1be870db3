/** What json_numpy 2.1.1 with numpy 2.4.6 wrote, read. */
import { describe, expect, it } from 'vitest';
import { decodeArray, encodeVector, valuesOf } from '../../tools/act/json-numpy.ts';

const array = (base64: string, dtype: unknown, shape: unknown) => ({ __numpy__: base64, dtype, shape });

describe('json_numpy', () => {
  it.each([
    ['half floats, subnormal ones too', array('ADgAwP97AQA=', '<f2', [4]), [0.5, -2, 65504, 2 ** -24]],
    ['big-endian floats', array('P8AAAMAQAAA=', '>f4', [2]), [1.5, -2.25]],
    [
      'an array in Fortran order',
      array('AAAAAAAA8D8AAAAAAAAAQAAAAAAAAAhAAAAAAAAAEEAAAAAAAAAUQAAAAAAAABhA', '<f8', [2, 3]),
      [1, 2, 3, 4, 5, 6],
    ],
    ['a strided view', array('AAAAAAIAAAAEAAAABgAAAA==', '<i4', [4]), [0, 2, 4, 6]],
    ['64-bit integers', array('/f////////8AAAAAAAEAAA==', '<i8', [2]), [-3, 2 ** 40]],
    ['16-bit integers', array('AQD//w==', '<u2', [2]), [1, 65535]],
    ['a scalar', array('AACAPg==', '<f4', []), [0.25]],
    ['an empty array', array('', '|u1', [0, 3]), []],
  ])('reads %s', (_, value, expected) => {
    const decoded = decodeArray(value, 'x');
    expect(decoded.shape).toEqual(value.shape);
    expect(valuesOf(decoded)).toEqual(expected);
  });

  it.each([
    ['booleans', array('AQA=', '|b1', [2])],
    ['text', array('YQAAAA==', '<U1', [1])],
    ['complex numbers', array('AAAAAAAAAAAAAAAAAADwPw==', '<c16', [1])],
    ['records', array('AAAAAA==', [['x', '<f4']], [1])],
    ['a type without its byte order', array('AACAPg==', '|f4', [])],
    ['fewer bytes than the shape says', array('AACAPg==', '<f4', [2])],
    ['more bytes', array('AACAPgAA', '<f4', [])],
    ['a character that is not base64', array('AAC*Pg==', '<f4', [])],
    ['base64 without its padding', array('AACAPg', '<f4', [])],
    ['a shape that is not whole', array('AACAPg==', '<f4', [0.5, 2])],
  ])('refuses %s', (_, value) => {
    expect(() => decodeArray(value, 'x')).toThrow(/"x" is not an array that can be read/);
  });

  it('writes doubles as json_numpy does', () => {
    // json_numpy.dumps(np.array([0.1, -2.5, 1e-300]))
    expect(encodeVector([0.1, -2.5, 1e-300])).toEqual(array('mpmZmZmZuT8AAAAAAAAEwFnz+MIfbqUB', '<f8', [3]));
  });
});
