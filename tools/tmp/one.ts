import { Worker } from 'node:worker_threads';
import { FORMATS } from '../fuzz/formats.ts';
import { mutated, randomFrom } from '../fuzz/mutate.ts';
import { registerDecoders } from '../node/decoders.ts';
await registerDecoders();
const [name, run] = [process.argv[2]!, Number(process.argv[3])];
const f = FORMATS[name]!;
const { files, faults } = mutated(f.load(), randomFrom(16 * 1_000_003 + run));
console.error(faults);
new Worker(`const {Session}=require('inspector');const s=new Session();s.connectToMainThread();const fs=require('fs');
s.on('Debugger.paused',m=>{fs.writeSync(2,m.params.callFrames.map(c=>c.functionName+' '+c.url.split('/').slice(-2).join('/')+':'+(c.location.lineNumber+1)).join('\\n')+'\\n--\\n');s.post('Debugger.resume')});
s.post('Debugger.enable');let n=0;setInterval(()=>{s.post('Debugger.pause'); if(++n>4) process.kill(process.pid,'SIGKILL')},4000)`, {eval:true});
const d = await f.open(files).catch(e=>{console.error('open', e.message); return null});
for (const {index} of d?.episodes ?? []) { const e = await d!.open(index).catch(x=>{console.error(x.message);return null}); console.error('episode', index, e?.length);
 for (const {name} of e? d!.cameras: []) { console.error(name); await e!.frame(name, e!.length-1).then(()=>console.error('ok'), x=>console.error(x.message)); }
 e?.close(); }
console.error('closing'); await d?.close(); console.error('done', process.cpuUsage()); process.exit(0);
