import type { Dataset } from '../dataset.ts';
import type { StreamedFile } from './files.ts';

/**
 * README.md of a dataset on the Hub. Its tags are what lerobot's visualizer and the Hub's own viewer find it by; the license is
 * the owner's to choose.
 */
export function cardFile(dataset: Dataset, repo: string): StreamedFile {
  const steps = dataset.episodes.reduce((sum, { length }) => sum + length, 0);
  const text = `---
tags:
- LeRobot
task_categories:
- robotics
configs:
- config_name: default
  data_files: data/*/*.parquet
---

# ${repo.split('/')[1] ?? repo}

A [LeRobot](https://github.com/huggingface/lerobot) dataset, written by OpenVLA Web: ${dataset.episodes.length} episodes, ${steps} steps at
${dataset.fps} Hz. See it in the [visualizer](https://huggingface.co/spaces/lerobot/visualize_dataset?path=${encodeURIComponent(repo)});
\`meta/info.json\` says what is in it.
`;
  return {
    path: 'README.md',
    chunks: async function* () {
      yield new TextEncoder().encode(text);
    },
  };
}
