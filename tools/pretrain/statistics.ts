/** dataset_statistics.json's entry for the practice table. */
import { readFileSync } from 'node:fs';
import { fieldStatistics } from '../../src/episodes/statistics.ts';
import type { DatasetStatistics } from '../../src/model/policy/statistics.ts';
import { ACTION_DIM, RecordReader, STATE_DIM } from './records.ts';

/** Samples that are enough for percentiles. */
const ENOUGH = 20_000;

/** Over states and the actions to be done in them. Roll, pitch and yaw of the state pass unscaled: they hardly ever change. */
export function statisticsOf(files: readonly string[]): DatasetStatistics {
  const reader = new RecordReader(files);
  const actions: Float32Array[] = [];
  const states: Float32Array[] = [];
  const every = Math.max(1, Math.floor(reader.count / ENOUGH));
  for (let i = 0; i < reader.count; i += every) {
    const sample = reader.read(i);
    actions.push(sample.actions.slice(0, ACTION_DIM));
    states.push(sample.state);
  }
  reader.close();
  return {
    action: {
      ...fieldStatistics(actions, ACTION_DIM),
      mask: Array.from({ length: ACTION_DIM }, (_, i) => i !== ACTION_DIM - 1),
    },
    proprio: {
      ...fieldStatistics(states, STATE_DIM),
      mask: Array.from({ length: STATE_DIM }, (_, i) => i < 3 || i > 5),
    },
    num_transitions: actions.length,
    num_trajectories: 0,
  };
}

export const readStatistics = (path: string): DatasetStatistics =>
  JSON.parse(readFileSync(path, 'utf8')) as DatasetStatistics;
