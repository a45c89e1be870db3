import { expect, test } from './fixtures.ts';
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

test('what it knows is mixed in with what was recorded', async ({ policyPage, page }) => {
  test.setTimeout(900_000);
  await openRecorder(policyPage);
  await takeTheGripper(page).click();
  await expect(myTurn(page)).toBeVisible(SLOW);
  await page.keyboard.down('KeyA');
  await expect(enough(page)).toBeVisible(SLOW);
  await page.keyboard.up('KeyA');
  await finish(page, 1);
  await expect(myTurn(page)).toBeVisible(SLOW);
  await page.keyboard.press('Escape');
  await expect(page.getByLabel(/^Mix in tasks it knows/)).toBeChecked();
  await page.getByRole('button', { name: 'Fine-tune on these' }).click();
  await expect(page.getByText(/^Reading actions and states, episode [1-9]/)).toBeVisible(SLOW);
  await expect(page.getByRole('heading', { name: 'Fine-tune', exact: true })).toBeVisible({
    timeout: 600_000,
  });
  await goTo(page, 'Demonstrations');
  const showAll = page.getByRole('button', { name: /^Show all \d+ episodes$/ });
  await expect(showAll).toBeVisible({ timeout: 600_000 });
  // What was recorded last stays on show.
  await expect(listed(page).first().getByRole('button')).toHaveAttribute('aria-current', 'true');
  const all = Number(/\d+/.exec((await showAll.textContent())!)![0]);
  await showAll.click();
  await expect(listed(page)).toHaveCount(all);
  await expect(episodes(page).getByRole('button', { name: /wave at the audience/ })).toHaveCount(1);
  // Own ones first; the others have the words of their tasks.
  await expect(listed(page).first()).toContainText('wave at the audience');
  await expect(listed(page).last()).toContainText(/block|can|bowl|plate/);
  await expect(episodes(page).getByText('rehearsal', { exact: true })).toHaveCount(all - 1);
  await listed(page).last().getByRole('button').click();
  await expect(listed(page).last().getByRole('button')).toHaveAttribute('aria-current', 'true');
  expect((await plotted(page, 'x')).steps).toBeGreaterThan(8);
  await listed(page).first().getByRole('button').click();
  await expect.poll(async () => (await plotted(page, 'y')).lowest).toBe(-1);
});
