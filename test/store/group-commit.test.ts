import { expect, test } from 'vitest';
import { groupCommit } from '../../src/store/group-commit.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('what is added in one turn is one commit, and what comes later is another', async () => {
  const commits: string[][] = [];
  const group = groupCommit<string>((entries) => void commits.push([...entries]));
  const first = group.add('a');
  // An answer that took only promises is still of this turn.
  await Promise.resolve();
  await Promise.all([first, group.add('b')]);
  await group.add('c');
  expect(commits).toEqual([['a', 'b'], ['c']]);
});

test('nobody goes on before the commit', async () => {
  const seen: string[] = [];
  const group = groupCommit<string>(() => void seen.push('commit'));
  await Promise.all(['a', 'b'].map((entry) => group.add(entry).then(() => seen.push(entry))));
  expect(seen).toEqual(['commit', 'a', 'b']);
});

test('an error of the commit reaches everyone who waits for it, and only them', async () => {
  const full = new Error('disk full');
  let isFull = true;
  const group = groupCommit<string>(() => {
    if (isFull) throw full;
  });
  const settled = await Promise.allSettled(['a', 'b', 'c'].map((entry) => group.add(entry)));
  expect(settled).toEqual(Array(3).fill({ status: 'rejected', reason: full }));
  isFull = false;
  await group.add('d');
});

test('a flush commits at once what waits, and only once', async () => {
  const commits: string[][] = [];
  const group = groupCommit<string>((entries) => void commits.push([...entries]));
  const added = group.add('a');
  group.flush();
  expect(commits).toEqual([['a']]);
  await added;
  await nextTurn();
  group.flush();
  expect(commits).toEqual([['a']]);
});
