import { createNodeRuntime } from './src/model/runtime/node.ts';
import { initialPolicy, practiceConfig, AUXILIARIES } from './tools/pretrain/practice-policy.ts';
import { readStatistics } from './tools/pretrain/statistics.ts';
import { trainedLayout } from './tools/pretrain/layout.ts';
import { jointGraph } from './src/model/pretrain/joint-graph.ts';
import { BatchMaker } from './tools/pretrain/batch.ts';
import { RecordReader } from './tools/pretrain/records.ts';
import { readAverage } from './tools/pretrain/checkpoint.ts';
import { tokenizerJson } from './tools/pretrain/tokenizer.ts';
import { createTokenizer } from './src/model/policy/tokenizer.ts';
import { Random } from './src/model/random.ts';
import { ropeTables } from './src/model/network/llama.ts';
import { openNodePolicy } from './tools/evaluate/node-policy.ts';
import { ALL_INSTRUCTIONS } from './src/practice/tasks.ts';
const stats=readStatistics('.pretrain/run/statistics.json'); const config=practiceConfig(stats); const w=initialPolicy(config,1); const layout=trainedLayout(config,w);
const avg=readAverage('.pretrain/run',layout.at(-1)!.start+layout.at(-1)!.shape.reduce((a,b)=>a*b)); for(const l of layout)w.set(l.name,{shape:l.shape,data:avg.values.subarray(l.start,l.start+l.shape.reduce((a,b)=>a*b))});
const B=48; const maker=new BatchMaker(config, await createTokenizer(tokenizerJson()), B);
const reader=new RecordReader(['.pretrain/data/episodes-0000.bin']);
const samples=Array.from({length:48},(_,i)=>i*27).map(i=>reader.read(i));
maker.fill(samples,w.get('language_model.model.embed_tokens.weight')!.data,{uniform:()=>0.5,integer:()=>0} as any);
const rt=await createNodeRuntime({threads:1});
const f=jointGraph(config,new Map(layout.map(({name,shape})=>[name,{shape,dtype:'float32' as const}])),{batch:B,tokens:maker.tokens,auxiliaries:AUXILIARIES});
const p=await rt.compile(f); const feeds:any={}; for(const l of layout)feeds[l.name]=rt.upload(w.get(l.name)!.data,l.shape);
for(const [n,a] of Object.entries(maker.arrays.inputs))feeds[n]=rt.upload(a.data,a.shape); const r=ropeTables(config.network.llama,maker.length); feeds.cos=rt.upload(r.cos,[maker.length,32]);feeds.sin=rt.upload(r.sin,[maker.length,32]);
const o=await p.run(feeds); for(const k of ['loss','loss.l1','loss.relative','loss.position','loss.maps'])console.log(k,(await rt.read(o[k]!))[0]);




process.exit(0)
