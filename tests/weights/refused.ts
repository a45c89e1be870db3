import { expect } from 'vitest';
import { ModelError, type ErrorCode } from '../../src/base/errors.ts';

/** The ModelError that a call fails with; any other outcome fails the test. */
export async function refusal(call: () => unknown): Promise<ModelError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  throw new Error('Nothing was refused.');
}

/** The code of the ModelError that a call fails with. */
export async function refusalCode(call: () => unknown): Promise<ErrorCode> {
  return (await refusal(call)).code;
}

/** Expects a ModelError of that code; gives its message. */
export async function refusedWith(code: ErrorCode, call: () => unknown): Promise<string> {
  const error = await refusal(call);
  expect({ code: error.code, message: error.message }).toEqual({ code, message: error.message });
  return error.message;
}

/** Fails unless the call gives a value or a ModelError. */
export async function toleratesDamage(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
  }
}
