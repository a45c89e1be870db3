import * as Comlink from 'comlink';
import { ModelError, type ErrorCode } from '../base/errors.ts';
import type { Observation, Prediction, WorkerError } from './boundary/contract.ts';
import { crossing } from './boundary/transfer.ts';

/** The policy of another worker. */
export interface RemotePolicy {
  predict(observation: Observation): Promise<Prediction>;
}

/** @param port whose other end the policy worker serves; `predict` rejects with that worker's ModelErrors */
export function remotePolicy(port: MessagePort): RemotePolicy {
  const remote = Comlink.wrap<RemotePolicy>(port);
  return {
    predict: async (observation) => {
      try {
        return await remote.predict(crossing(observation));
      } catch (error) {
        const { code, message, hint } = error as WorkerError;
        // Told on as it is: who asked for the run knows what to do about it.
        throw new ModelError(code as ErrorCode, message, hint, { cause: error });
      }
    },
  };
}
