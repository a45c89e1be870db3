import type { Locator, Page } from '@playwright/test';
import { PeopleCamera } from '../src/practice/people-view.ts';
import { assignmentFor, taskNamed } from '../src/practice/tasks.ts';
import { expect, test } from './fixtures.ts';
import { expectFocus, tabTo } from './keyboard.ts';
import {
  enough,
  finish,
  listed,
  myTurn,
  openRecorder,
  plotted,
  SLOW,
  takeTheGripper,
} from './recorder-page.ts';
import { episodes, goTo } from './studio.ts';
import { violationsInBothSchemes } from './violations.ts';

// Physics, drawing and encoding share two cores with software graphics.
test.slow();
const pad = (page: Page) => page.getByRole('group', { name: 'Steer the gripper' });
const picture = (page: Page) => page.getByRole('application', { name: /^Practice table/ });

/** Holds a finger on a button while `meanwhile` lasts. */
async function touch(page: Page, button: Locator, meanwhile: () => Promise<void>): Promise<void> {
  await button.scrollIntoViewIfNeeded();
  const { x, y, width, height } = (await button.boundingBox())!;
  const finger = await page.context().newCDPSession(page);
  const touchPoints = [{ x: x + width / 2, y: y + height / 2 }];
  await finger.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints });
  await meanwhile();
  await finger.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
}

/** Moves a finger over the page in small steps: to the side first, and once that has led to something, up or down. */
async function swipe(
  page: Page,
  from: { x: number; y: number },
  by: { x: number; y: number },
  between: () => Promise<void> = async () => undefined,
): Promise<void> {
  const finger = await page.context().newCDPSession(page);
  const steps = 6;
  const at = (x: number, y: number) => ({ touchPoints: [{ x: from.x + x, y: from.y + y }] });
  const move = (x: number, y: number) =>
    finger.send('Input.dispatchTouchEvent', { type: 'touchMove', ...at(x, y) });
  await finger.send('Input.dispatchTouchEvent', { type: 'touchStart', ...at(0, 0) });
  for (let i = 1; i <= steps && by.x !== 0; i++) await move((i * by.x) / steps, 0);
  await between();
  for (let i = 1; i <= steps; i++) await move(by.x, (i * by.y) / steps);
  await finger.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
}

/** A pixel of the window over the gripper's palm, as the table lies now. The address says how that is. */
async function overGripper(page: Page): Promise<{ x: number; y: number }> {
  await picture(page).scrollIntoViewIfNeeded();
  const box = (await picture(page).boundingBox())!;
  const query = new URL(page.url()).searchParams;
  const { layout } = assignmentFor(taskNamed(query.get('task')!), Number(query.get('seed')));
  const people = new PeopleCamera();
  people.resize(box.width, box.height);
  // While recording it is looked at along its axes.
  people.orbit(-people.azimuth, 0, 1);
  const [x, y, z] = layout.gripper;
  const seen = people.camera.position
    .clone()
    .set(x, y, z + 0.075)
    .project(people.camera);
  return { x: box.x + (box.width * (1 + seen.x)) / 2, y: box.y + (box.height * (1 - seen.y)) / 2 };
}

/** Drags the gripper to and fro until `until` is there: how long a movement takes is the machine's business. */
async function drag(page: Page, until: Locator): Promise<void> {
  const { x, y } = await overGripper(page);
  await page.mouse.move(x, y);
  await page.mouse.down();
  let side = 1;
  await expect(async () => {
    side = -side;
    await page.mouse.move(x + 70 * side, y + 20 * side, { steps: 4 });
    await expect(until).toBeVisible({ timeout: 1000 });
  }).toPass(SLOW);
  await page.mouse.up();
}

test.describe('with a finger', () => {
  test.use({ hasTouch: true });

  test(
    'a demonstration is recorded by the buttons on the page',
    { tag: '@full' },
    async ({ policyPage, page }) => {
      await openRecorder(policyPage);
      await takeTheGripper(page).click();
      await expect(myTurn(page)).toBeVisible(SLOW);
      await touch(page, pad(page).getByRole('button', { name: 'Left' }), () =>
        expect(enough(page)).toBeVisible(SLOW),
      );
      await finish(page, 1);
      // To the left as fast as it goes, and nowhere else.
      expect(await plotted(page, 'y')).toMatchObject({ lowest: -1 });
      expect(await plotted(page, 'x')).toMatchObject({ lowest: 0, highest: 0 });
      expect((await plotted(page, 'y')).steps).toBeGreaterThanOrEqual(8);

      // A click is a touch too: here it opens and closes.
      await expect(myTurn(page)).toBeVisible(SLOW);
      const [up, grip] = [
        pad(page).getByRole('button', { name: 'Raise' }),
        pad(page).getByRole('button', { name: 'Open or close' }),
      ];
      await grip.tap();
      await touch(page, up, () => expect(enough(page)).toBeVisible(SLOW));
      await finish(page, 2);
      expect(await plotted(page, 'gripper')).toMatchObject({ lowest: 0 });
      expect(await plotted(page, 'z')).toMatchObject({ highest: 1 });

      // A swipe over the picture scrolls the page; a finger that holds the gripper moves that, up and down as well.
      await expect(myTurn(page)).toBeVisible(SLOW);
      const scrolled = () => page.evaluate(() => Math.round(window.scrollY));
      const gripper = await overGripper(page);
      const { x, y } = (await picture(page).boundingBox())!;
      const before = await scrolled();
      await swipe(page, { x: x + 20, y: y + 200 }, { x: 0, y: -120 });
      await expect.poll(scrolled).toBeGreaterThan(before);
      // The page goes on scrolling for a while after a swipe: until it stays where it is put.
      const settled = (top: number) =>
        page.evaluate(async (to) => {
          window.scrollTo({ top: to, behavior: 'instant' });
          for (let frame = 0; frame < 10; frame++) await new Promise(requestAnimationFrame);
          return Math.round(window.scrollY);
        }, top);
      await expect.poll(() => settled(before)).toBe(before);
      await swipe(page, gripper, { x: 60, y: -60 }, () =>
        expect(page.getByText(/^Recording/)).toBeVisible(SLOW),
      );
      expect(await scrolled()).toBe(before);
    },
  );
});

test('a demonstration is recorded by gamepad', { tag: '@full' }, async ({ policyPage, page }) => {
  // As text: in a function the compiler's helpers would be missing in the page.
  await page.addInitScript({
    content: `window.gamepad = { connected: true, axes: [0, 0, 0, 0], buttons: [{ pressed: false }] };
      navigator.getGamepads = () => [window.gamepad];`,
  });
  const stick = (axis: number, value: number) => page.evaluate(`window.gamepad.axes[${axis}] = ${value}`);
  const button = (pressed: boolean) => page.evaluate(`window.gamepad.buttons[0].pressed = ${pressed}`);
  await openRecorder(policyPage);
  await takeTheGripper(page).click();
  await expect(myTurn(page)).toBeVisible(SLOW);
  // A stick at rest is never quite at zero.
  await stick(1, 0.05);
  await stick(0, 0.5);
  await expect(enough(page)).toBeVisible(SLOW);
  await stick(0, 0);
  const recorded = async () => {
    const [, seconds] = /([\d.]+) s/.exec((await page.getByText(/^Recording, /).textContent()) ?? '')!;
    return Number(seconds);
  };
  await button(true);
  // The page looks at the gamepad once a frame: two frames on it has been seen, however slow the machine is.
  await page.evaluate(`new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)))`);
  const before = await recorded();
  await expect(async () => expect(await recorded()).toBeGreaterThan(before + 0.1)).toPass(SLOW);
  await button(false);
  await finish(page, 1);
  expect(await plotted(page, 'y')).toMatchObject({ highest: 0.5 });
  expect(await plotted(page, 'x')).toMatchObject({ lowest: 0, highest: 0 });
  expect(await plotted(page, 'gripper')).toMatchObject({ lowest: 0, highest: 1 });
});

test(
  'a demonstration is recorded by dragging the gripper in the picture',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await openRecorder(policyPage);
    await takeTheGripper(page).click();
    await expect(myTurn(page)).toBeVisible(SLOW);
    await drag(page, enough(page));
    await finish(page, 1);
    const [along, across, up] = [
      await plotted(page, 'x'),
      await plotted(page, 'y'),
      await plotted(page, 'z'),
    ];
    expect(across.steps).toBeGreaterThanOrEqual(8);
    expect(across.highest - across.lowest + along.highest - along.lowest).toBeGreaterThan(0.5);
    // It is moved over the table, at its height.
    expect(Math.max(-up.lowest, up.highest)).toBeLessThan(0.3);
  },
);

test(
  'the speed limit holds for a hand, and a replay stops at Esc',
  { tag: '@full' },
  async ({ policyPage, page }) => {
    await openRecorder(policyPage);
    await goTo(page, 'Run');
    await page.getByText('Advanced', { exact: true }).click();
    await page.getByRole('slider', { name: /^Speed limit/ }).press('Home');
    await expect(page.getByText('10 % of full speed')).toBeVisible();
    await goTo(page, 'Demonstrations');
    await page.getByLabel('Say what you’re showing').fill('wave at the audience');
    await takeTheGripper(page).click();
    await expect(myTurn(page)).toBeVisible(SLOW);
    await page.keyboard.down('KeyW');
    // A replay of it should last a while.
    await expect(page.getByText(/^Recording, ([3-9]|\d\d)/)).toBeVisible(SLOW);
    await page.keyboard.up('KeyW');
    await finish(page, 1);
    const { steps, lowest, highest } = await plotted(page, 'x');
    expect(steps).toBeGreaterThanOrEqual(30);
    expect(lowest).toBe(-0.1);
    expect(highest).toBeLessThanOrEqual(0.1);
    expect(await violationsInBothSchemes(page), 'while somebody records').toEqual([]);
    await page.keyboard.press('Escape');
    await expect(takeTheGripper(page)).toBeVisible();
    expect(await violationsInBothSchemes(page), 'while an episode is shown').toEqual([]);

    const edits = page.getByRole('group', { name: 'Change this episode' });
    const stop = edits.getByRole('button', { name: 'Stop Esc' });
    // It is over by itself where it runs faster than we press keys; then again.
    await expect(async () => {
      await edits.getByRole('button', { name: 'Replay on the table' }).click();
      await expect(stop).toBeVisible({ timeout: 2000 });
      await page.keyboard.press('Escape');
      await expect(edits.getByText('Stopped.')).toBeVisible({ timeout: 5000 });
    }).toPass(SLOW);
    await expect(stop).toHaveCount(0);

    await edits.getByRole('button', { name: 'Replay on the table' }).click();
    await expect(edits.getByText('Replayed.')).toBeVisible(SLOW);
  },
);

test('the speed limit holds for dragging', { tag: '@full' }, async ({ policyPage, page }) => {
  await openRecorder(policyPage);
  await goTo(page, 'Run');
  await page.getByText('Advanced', { exact: true }).click();
  await page.getByRole('slider', { name: /^Speed limit/ }).press('Home');
  await goTo(page, 'Demonstrations');
  await page.getByLabel('Say what you’re showing').fill('wave at the audience');
  await takeTheGripper(page).click();
  await expect(myTurn(page)).toBeVisible(SLOW);
  await drag(page, enough(page));
  await finish(page, 1);
  for (const name of ['x', 'y', 'z']) {
    const { lowest, highest } = await plotted(page, name);
    expect(Math.max(-lowest, highest), name).toBeLessThanOrEqual(0.1);
  }
});

test('the keyboard alone records a demonstration and relabels it', async ({ policyPage, page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await policyPage.openTable();
  await policyPage.ready();
  await tabTo(page, /^2 Demonstrations/);
  await page.keyboard.press('Enter');
  await expect(takeTheGripper(page)).toBeEnabled(SLOW);
  await tabTo(page, /^Show it on the table$/);
  await tabTo(page, /^Say what you’re showing$/);
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('wave at the audience');
  await tabTo(page, /^Start recording$/);
  await page.keyboard.press('Enter');
  await expect(myTurn(page)).toBeVisible(SLOW);
  // The keys are the gripper's now, and nothing lets them do something else.
  await expectFocus(page, /^Practice table/);
  await page.keyboard.down('ArrowLeft');
  await expect(enough(page)).toBeVisible(SLOW);
  await page.keyboard.up('ArrowLeft');
  await tabTo(page, /^Finish$/);
  await page.keyboard.press('Enter');
  await expect(listed(page)).toHaveCount(1, SLOW);
  await expect(myTurn(page)).toBeVisible(SLOW);
  await expectFocus(page, /^Practice table/);
  expect(await plotted(page, 'y')).toMatchObject({ lowest: -1 });
  await page.keyboard.press('Escape');
  await expect(takeTheGripper(page)).toBeVisible();
  await expectFocus(page, /^Practice table/);

  await tabTo(page, /wave at the audience/);
  await tabTo(page, /^Instruction of this episode$/);
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('greet everybody');
  await page.keyboard.press('Enter');
  await expect(episodes(page).getByRole('button').first()).toContainText('greet everybody');
  await expectFocus(page, /^Instruction of this episode$/);
});
