/** The table, the gripper and a layout's objects as MuJoCo's XML (MJCF). */
import type { Layout } from './layout.ts';
import { OBJECTS, type Geom } from './objects.ts';
import { CONTROL_HZ } from './table-profile.ts';

/** Of a physics step, seconds; and physics steps per action at the control rate. */
export const TIMESTEP = 0.01;
export const SUBSTEPS = Math.round(1 / CONTROL_HZ / TIMESTEP);

/** Where the tool centre point (between the finger tips) can be, metres. */
export const REACH = { x: [-0.19, 0.19], y: [-0.23, 0.23], z: [0.014, 0.26] } as const;
/** How far one finger moves from the middle. */
export const FINGER_TRAVEL = 0.04;

/** Shapes of the gripper relative to the tool centre point, for physics and drawing. `side` is −1 or 1 along y. */
export const GRIPPER = {
  palm: [
    { type: 'box', size: [0.014, 0.052, 0.011], position: [0, 0, 0.062], color: 0x3a3f47 },
    { type: 'cylinder', size: [0.019, 0.014], position: [0, 0, 0.087], color: 0x8b929c },
  ] as readonly Geom[],
  finger: (side: number): readonly Geom[] => [
    { type: 'box', size: [0.009, 0.004, 0.031], position: [0, side * 0.004, 0.02], color: 0x596069 },
  ],
};

/** Time constant of contacts, seconds. MuJoCo takes twice the time step where that is longer: so it is the same for every robot. */
const CONTACT = 2 * TIMESTEP;

export const PAD_FRICTION = '1.6 0.01 0.0001';

const slide = (axis: 'x' | 'y' | 'z', vector: string) =>
  `<joint name="${axis}" type="slide" axis="${vector}" range="${REACH[axis].join(' ')}" limited="true" armature="1"/>`;
const servo = (joint: string) =>
  `<position name="${joint}" joint="${joint}" kp="20000" kv="330" ctrlrange="${
    joint === 'yaw' ? '-3.2 3.2' : REACH[joint as 'x'].join(' ')
  }" forcerange="-60 60"/>`;

/** Options and the table, for any robot. @param timestep seconds */
export function sceneXml(model: string, timestep: number, content: string): string {
  return `<mujoco model="${model}">
  <option timestep="${timestep}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <default><geom solref="${CONTACT} 1" condim="4"/></default>
  ${content}
</mujoco>`;
}

export const TABLE_XML = '<geom name="table" type="plane" size="0.5 0.5 0.1" friction="0.9 0.01 0.0005"/>';

/** What lies on the table. */
export function objectsXml(layout: Layout): string {
  const objects = layout.objects.map(({ name, position, yaw }) => {
    const kind = OBJECTS[name];
    const [x, y] = position;
    const mass = kind.mass / kind.geoms.length;
    const geoms = kind.geoms.map((geom) => geomXml(geom, `mass="${mass}" friction="0.9 0.01 0.0005"`));
    return `<body name="${name}" pos="${x} ${y} ${kind.restHeight}" quat="${Math.cos(yaw / 2)} 0 0 ${Math.sin(yaw / 2)}">
      <freejoint/>${geoms.join('')}</body>`;
  });
  return objects.join('\n    ');
}

export function mjcf(layout: Layout): string {
  const finger = (side: number) => `
    <body name="finger ${side}">
      <joint name="finger ${side}" type="slide" axis="0 ${side} 0" range="0 ${FINGER_TRAVEL}" limited="true" armature="0.05" damping="2"/>
      ${GRIPPER.finger(side)
        .map((geom) => geomXml(geom, `mass="0.02" friction="${PAD_FRICTION}" condim="4" priority="1"`))
        .join('')}
    </body>`;
  return sceneXml(
    'practice table',
    TIMESTEP,
    `<worldbody>
    ${TABLE_XML}
    <body name="gripper" gravcomp="1">
      ${slide('x', '1 0 0')}${slide('y', '0 1 0')}${slide('z', '0 0 1')}
      <joint name="yaw" type="hinge" axis="0 0 1" range="-3.2 3.2" limited="true" armature="0.01" damping="0.1"/>
      <inertial pos="0 0 0.06" mass="0.3" diaginertia="0.001 0.001 0.001"/>
      ${GRIPPER.palm.map((geom) => geomXml(geom, 'mass="0"')).join('')}
      ${finger(-1)}${finger(1)}
    </body>
    ${objectsXml(layout)}
  </worldbody>
  <equality><joint joint1="finger -1" joint2="finger 1" polycoef="0 1 0 0 0" solref="0.005 1"/></equality>
  <contact><exclude body1="finger -1" body2="finger 1"/><exclude body1="gripper" body2="finger -1"/><exclude body1="gripper" body2="finger 1"/></contact>
  <actuator>
    ${['x', 'y', 'z'].map(servo).join('')}
    <position name="yaw" joint="yaw" kp="30" kv="1" ctrlrange="-3.2 3.2" forcerange="-5 5"/>
    <position name="fingers" joint="finger 1" kp="400" kv="20" ctrlrange="0 ${FINGER_TRAVEL}" forcerange="-12 12"/>
  </actuator>`,
  );
}

export function geomXml({ type, size, position, yaw = 0 }: Geom, attributes: string): string {
  const turned = yaw === 0 ? '' : ` quat="${Math.cos(yaw / 2)} 0 0 ${Math.sin(yaw / 2)}"`;
  return `<geom type="${type}" size="${size.join(' ')}" pos="${position.join(' ')}"${turned} ${attributes}/>`;
}
