import { RecordReader } from './tools/pretrain/records.ts';
import { openNodePolicy } from './tools/evaluate/node-policy.ts';
import { ALL_INSTRUCTIONS } from './src/practice/tasks.ts';
const reader=new RecordReader(['.pretrain/data/episodes-0071.bin']); const np=await openNodePolicy('/tmp/pol',{threads:1}); 
const P:number[][]=[],E:number[][]=[]; const byTask=new Map<string,number[]>();
for(let i=0;i<250;i++){ const s=reader.read(i*5); const frames=[0,1].map(i=>{const d=new Uint8ClampedArray(84*84*4).fill(255); for(let k=0;k<84*84;k++)for(let c=0;c<3;c++)d[4*k+c]=s.images[(i*84*84+k)*3+c]!; return {width:84,height:84,data:d};});
 const a=await np.predict({frames,instruction:ALL_INSTRUCTIONS[s.instruction]!,state:[...s.state]}); P.push(a[0]!.slice()); E.push([...s.actions.slice(0,7)]); }
for(let j of [0,1,2,6]){ const p=P.map(r=>r[j]!),e=E.map(r=>r[j]!); const m=(x:number[])=>x.reduce((a,b)=>a+b)/x.length; const mp=m(p),me=m(e); const c=m(p.map((v,i)=>(v-mp)*(e[i]!-me))),vp=m(p.map(v=>(v-mp)**2)),ve=m(e.map(v=>(v-me)**2)); console.log('dim',j,'corr',(c/Math.sqrt(vp*ve)).toFixed(3),'std p',Math.sqrt(vp).toFixed(3),'e',Math.sqrt(ve).toFixed(3),'L1',m(p.map((v,i)=>Math.abs(v-e[i]!))).toFixed(3)); }
process.exit(0)
