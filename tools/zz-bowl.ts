import { loadMujoco } from '../src/practice/mujoco.ts';
import { openWorld } from '../src/practice/open-world.ts';
import { assignmentFor, taskNamed } from '../src/practice/tasks.ts';
import { expertAction, holding } from '../src/practice/expert.ts';
import { SuccessJudge } from '../src/practice/rollout.ts';
import { stepWorld } from '../src/practice/world.ts';
const mujoco = await loadMujoco();
const f = (v: readonly number[]) => v.map((x) => x.toFixed(3)).join(' ');
for (const seed of process.argv.slice(2).map(Number)) {
  const { goal, layout } = assignmentFor(taskNamed('bowl'), seed, 'so101');
  const w = openWorld('so101', mujoco, layout); const j = new SuccessJudge(goal);
  let done=false, i=0;
  for (; i<130 && !done; i++) { stepWorld(w, expertAction(w, goal)); done=j.after(w);
    if (i > 35 && i%3===0 || done) console.log(seed, i, 'tool', f(w.position('gripper')), 'obj', f(w.position(goal.target)), 'bowl', f(w.position('bowl')), 'open', w.opening.toFixed(3), holding(w, goal.target)); }
  console.log(seed, done, i);
  w.dispose();
}
process.exit(0);
