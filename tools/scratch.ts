import { runFolder } from './parity/run-folder.ts';
import { folderFiles } from './parity/host.ts';
import { llama2Tokenize } from './parity/tokenize.ts';
const tok = await llama2Tokenize();
for (const f of ['tokenizer', 'convert/fused', 'convert/siglip']) {
  try {
    const r = await runFolder(folderFiles('tests/golden/' + f), null as never, tok, { bits: 32 });
    console.log(
      f,
      r.length,
      r
        .filter((x) => !x.ok)
        .map((x) => x.stage)
        .slice(0, 10),
    );
  } catch (e) {
    console.log(f, e);
  }
}
