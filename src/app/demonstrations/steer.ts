/** What a person does with keyboard, gamepad or the buttons on the page → an action [7]: x, y, z, roll, pitch, yaw, gripper. */

/** Away from the viewer is −x, to the right +y (src/practice/mjcf.ts). */
const KEYS: Readonly<Record<string, readonly [axis: number, direction: number]>> = {
  KeyW: [0, -1],
  ArrowUp: [0, -1],
  KeyS: [0, 1],
  ArrowDown: [0, 1],
  KeyA: [1, -1],
  ArrowLeft: [1, -1],
  KeyD: [1, 1],
  ArrowRight: [1, 1],
  KeyR: [2, 1],
  PageUp: [2, 1],
  KeyF: [2, -1],
  PageDown: [2, -1],
  KeyQ: [5, 1],
  KeyE: [5, -1],
};
const GRIPPER_KEY = 'Space';
/** Of the largest step, with Shift held. */
const SLOW = 0.35;
/** Sticks do not rest at zero. */
const DEADZONE = 0.15;

export interface Steering {
  /** A button on the page is held or let go. */
  press(axis: number, direction: number, held: boolean): void;
  toggleGripper(): void;
  stop(): void;
}

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
  );
}

const stick = (value: number | undefined): number =>
  value === undefined || Math.abs(value) < DEADZONE ? 0 : value;

/**
 * What is commanded along the picture's axes, along the table's.
 * @param azimuth from where it is looked at, radians
 */
export function alongTable(action: readonly number[], azimuth: number): number[] {
  const [x, y, ...rest] = action as [number, number, ...number[]];
  const [cos, sin] = [Math.cos(azimuth), Math.sin(azimuth)];
  // Turned, the largest step along one axis of the picture stays within the largest along both of the table's.
  return [x * cos - y * sin, x * sin + y * cos, ...rest].map((value) => Number(value.toFixed(12)));
}

/** Listens until `stop`. @param onAction hears of every change */
export function startSteering(onAction: (action: number[]) => void): Steering {
  const held = new Map<string, readonly [number, number]>();
  let slow = false;
  let open = true;
  let padButton = false;
  let last = '';
  let frame = 0;

  const action = (): number[] => {
    const values = [0, 0, 0, 0, 0, 0, open ? 1 : 0];
    for (const [axis, direction] of held.values()) values[axis] = values[axis]! + direction;
    const pad = navigator.getGamepads?.().find((one) => one?.connected);
    if (pad) {
      const [x, y, turn, rise] = pad.axes;
      values[0]! += stick(y);
      values[1]! += stick(x);
      values[2]! -= stick(rise);
      values[5]! -= stick(turn);
      const pressed = pad.buttons[0]?.pressed ?? false;
      if (pressed && !padButton) open = !open;
      padButton = pressed;
      values[6] = open ? 1 : 0;
    }
    const share = slow ? SLOW : 1;
    return values.map((value, i) => (i === 6 ? value : Math.max(-1, Math.min(1, value)) * share));
  };
  const tell = (): void => {
    const now = action();
    const text = now.join();
    if (text === last) return;
    last = text;
    onAction(now);
  };
  // Gamepads have no events for their sticks.
  const poll = (): void => {
    tell();
    frame = requestAnimationFrame(poll);
  };
  const down = (event: KeyboardEvent): void => {
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    slow = event.shiftKey;
    const key = KEYS[event.code];
    // Space on a button presses the button.
    const gripper = event.code === GRIPPER_KEY && !(event.target instanceof HTMLButtonElement);
    if (!key && !gripper) return;
    event.preventDefault();
    event.stopPropagation();
    if (key) held.set(event.code, key);
    else if (!event.repeat) open = !open;
    tell();
  };
  const up = (event: KeyboardEvent): void => {
    slow = event.shiftKey;
    held.delete(event.code);
    tell();
  };
  const letGo = (): void => {
    held.clear();
    tell();
  };
  document.addEventListener('keydown', down, true);
  document.addEventListener('keyup', up, true);
  window.addEventListener('blur', letGo);
  frame = requestAnimationFrame(poll);
  return {
    press: (axis, direction, isHeld) => {
      const name = `button ${axis} ${direction}`;
      if (isHeld) held.set(name, [axis, direction]);
      else held.delete(name);
      tell();
    },
    toggleGripper: () => {
      open = !open;
      tell();
    },
    stop: () => {
      cancelAnimationFrame(frame);
      document.removeEventListener('keydown', down, true);
      document.removeEventListener('keyup', up, true);
      window.removeEventListener('blur', letGo);
    },
  };
}
