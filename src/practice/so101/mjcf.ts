/** The SO-101 at the table as MuJoCo's XML. */
import { objectsXml, PAD_FRICTION, sceneXml, TABLE_XML } from '../mjcf.ts';
import type { Layout } from '../layout.ts';
import { LINKS, SERVO, type Link } from './figures.ts';
import { BASE } from './kinematics.ts';
import { SHAPES, type Shape } from './shapes.ts';

/** Eight to a control period; stiff servos need short ones. */
export const TIMESTEP = 1 / 240;

export function so101Xml(layout: Layout): string {
  return sceneXml(
    'SO-101 at the practice table',
    TIMESTEP,
    `<compiler angle="radian"/>
  <worldbody>
    ${TABLE_XML}
    <body name="base" pos="${BASE.join(' ')}">${shapesXml('base')}${chain(LINKS)}</body>
    ${objectsXml(layout)}
  </worldbody>
  <contact><exclude body1="hand" body2="jaw"/></contact>
  <actuator>${LINKS.map(servoXml).join('')}</actuator>`,
  );
}

/** Each link in the one before; the jaw is the hand's. */
function chain([link, ...others]: readonly Link[]): string {
  if (!link) return '';
  const { joint, body, position, quaternion, range, mass, center, inertia } = link;
  const { damping, frictionloss, armature } = SERVO;
  return `<body name="${body}" pos="${position.join(' ')}" quat="${quaternion.join(' ')}">
      <joint name="${joint}" type="hinge" axis="0 0 1" range="${range.join(' ')}" limited="true" damping="${damping}" frictionloss="${frictionloss}" armature="${armature}"/>
      <inertial pos="${center.join(' ')}" mass="${mass}" diaginertia="${inertia.join(' ')}"/>
      ${shapesXml(body)}${chain(others)}</body>`;
}

function shapesXml(body: string): string {
  return SHAPES[body]!.map(geomXml).join('');
}

function geomXml({ type, size, position, quaternion, pad }: Shape): string {
  const turned = quaternion ? ` quat="${quaternion.join(' ')}"` : '';
  const touch = pad
    ? `mass="0" friction="${PAD_FRICTION}" condim="4" priority="1"`
    : 'mass="0" contype="0" conaffinity="0"';
  return `<geom type="${type}" size="${size.join(' ')}" pos="${position.join(' ')}"${turned} ${touch}/>`;
}

function servoXml({ joint, range }: Link): string {
  const { kp, kv, torque, gripperTorque } = SERVO;
  const most = joint === 'gripper' ? gripperTorque : torque;
  return `<position name="${joint}" joint="${joint}" kp="${kp}" kv="${kv}" forcerange="-${most} ${most}" ctrlrange="${range.join(' ')}"/>`;
}
