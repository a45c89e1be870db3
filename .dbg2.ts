import { RecordReader } from './tools/pretrain/records.ts';
import { openNodePolicy } from './tools/evaluate/node-policy.ts';
import { ALL_INSTRUCTIONS } from './src/practice/tasks.ts';
const reader=new RecordReader(['.pretrain/data/episodes-0000.bin']);
for(const f of ['/tmp/pol32','/tmp/pol']){ const np=await openNodePolicy(f,{threads:1}); let tot=0; 
for(let i=0;i<40;i++){ const s=reader.read(i*30); const frames=[0,1].map(i=>{const d=new Uint8ClampedArray(84*84*4).fill(255); for(let k=0;k<84*84;k++)for(let c=0;c<3;c++)d[4*k+c]=s.images[(i*84*84+k)*3+c]!; return {width:84,height:84,data:d};});
 const a=await np.predict({frames,instruction:ALL_INSTRUCTIONS[s.instruction]!,state:[...s.state]}); let l=0; a.forEach((r,k)=>r.forEach((v,j)=>l+=Math.abs(v-s.actions[k*7+j]!)/56)); tot+=l/40;
 if(i<6)console.log(ALL_INSTRUCTIONS[s.instruction],l.toFixed(3),'pred',a[0]!.map(v=>v.toFixed(2)).join(' '),'| exp',[...s.actions.slice(0,7)].map(v=>v.toFixed(2)).join(' ')); }
console.log(f,'L1',tot); }
process.exit(0)
