import { useId } from 'react';
import type { DemonstrationsInfo, RobotChoice } from '../../workers/boundary/contract-demonstrations.ts';
import { changeRobot } from './robot-session.ts';

/** As upstream's largest policies. */
const MOST = 3;

const shortName = (camera: string): string => camera.replace(/^observation\.(images?\.)?/, '');

function slotOf(camera: string, index: number): { name: string; label: string } {
  const words = shortName(camera)
    .replaceAll(/[_.-]+/g, ' ')
    .trim();
  return {
    name: index === 0 ? 'primary' : shortName(camera),
    label: words.charAt(0).toUpperCase() + words.slice(1),
  };
}

function choose(cameras: readonly string[]): void {
  changeRobot({ cameras: [...cameras] }, { images: cameras.map(slotOf) });
}

/** Which recorded cameras the policy sees, in which order. */
export function RobotCameras({ info, robot }: { info: DemonstrationsInfo; robot: RobotChoice }) {
  const count = useId();
  const all = info.cameras.map(({ name }) => name);
  const { cameras } = robot;
  const most = Math.min(MOST, all.length);
  const resize = (wanted: number): void => {
    const free = all.filter((name) => !cameras.includes(name));
    choose([...cameras, ...free].slice(0, wanted));
  };
  return (
    <div className="options">
      <div className="option">
        <label htmlFor={count}>
          Images <span className="unit">num_images_in_input</span>
        </label>
        <select id={count} value={cameras.length} onChange={(event) => resize(Number(event.target.value))}>
          {Array.from({ length: Math.max(most, cameras.length) }, (_, i) => (
            <option key={i + 1} value={i + 1}>
              {i + 1}
            </option>
          ))}
        </select>
        <p className="aside">
          {all.length > most
            ? `${all.length} cameras were recorded; a policy takes ${most} at most.`
            : 'Every image makes training and predicting slower.'}
        </p>
      </div>
      {cameras.map((camera, i) => (
        <CameraChoice
          // A slot is its position.
          key={i}
          label={`Image ${i + 1}`}
          all={all}
          value={camera}
          onChange={(chosen) => choose(swapped(cameras, i, chosen))}
        />
      ))}
    </div>
  );
}

/** One camera for each image: two change places. */
function swapped(cameras: readonly string[], slot: number, chosen: string): string[] {
  const before = cameras[slot]!;
  return cameras.map((camera, i) => (i === slot ? chosen : camera === chosen ? before : camera));
}

interface ChoiceProps {
  label: string;
  all: readonly string[];
  value: string;
  onChange: (camera: string) => void;
}

function CameraChoice({ label, all, value, onChange }: ChoiceProps) {
  const id = useId();
  return (
    <div className="option">
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
        {all.map((camera) => (
          <option key={camera} value={camera}>
            {shortName(camera)}
          </option>
        ))}
      </select>
    </div>
  );
}
