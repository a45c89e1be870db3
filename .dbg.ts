import { loadMujoco } from './src/practice/mujoco.ts';
import { PracticeTable } from './src/practice/table.ts';
import { assignmentFor, taskNamed } from './src/practice/tasks.ts';
import { expertChunk } from './src/practice/rollout.ts';
import { openNodeCameras } from './tools/practice/node-cameras.ts';
import { openNodePolicy } from './tools/evaluate/node-policy.ts';
const mj=await loadMujoco(); const cam=await openNodeCameras(); const pol=await openNodePolicy('/tmp/pol',{threads:1});
for(const seed of [1000,1001,1002]){ const a=assignmentFor(taskNamed('reach'),seed); const t=new PracticeTable(mj,a.layout);
 console.log(a.instruction, 'target', t.position(a.goal.target).map(v=>v.toFixed(3)).join(' '));
 for(let k=0;k<5;k++){ cam.view.sync(t); const frames=await cam.cameras.observe(cam.view); const c=await pol.predict({frames,instruction:a.instruction,state:t.state()}); const e=expertChunk(t,a.goal,8);
  let l1=0; c.forEach((r,i)=>r.forEach((v,j)=>l1+=Math.abs(v-e[i*7+j]!)/56));
  console.log('g',t.position('gripper').map(v=>v.toFixed(3)).join(' '),'pred',c[0]!.map(v=>v.toFixed(2)).join(' '),'| exp',[...e.slice(0,7)].map(v=>v.toFixed(2)).join(' '),'l1',l1.toFixed(3)); for(const r of c)t.step(r); } t.dispose(); }
process.exit(0);
