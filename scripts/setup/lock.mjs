import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readText } from './checkout.mjs';
import { throwIfStopped } from './program.mjs';

/** Does some work while no other process does any under the same lock: a folder that holds the process id of its owner. */
export async function withLock(lock, sayWait, work) {
  mkdirSync(dirname(lock), { recursive: true, mode: 0o700 });
  let hasSaid = false;
  while (!tryLock(lock)) {
    throwIfStopped();
    const owner = ownerOf(lock);
    if (owner && !isAlive(owner)) removeStale(lock, owner);
    else {
      if (owner && !hasSaid) sayWait(owner);
      hasSaid ||= Boolean(owner);
      await delay(200);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

// The folder appears by a rename, so it is never there without the process id in it.
function tryLock(lock) {
  const mine = mkdtempSync(`${lock}-`);
  writeFileSync(join(mine, 'pid'), String(process.pid));
  try {
    renameSync(mine, lock);
    return true;
  } catch (error) {
    rmSync(mine, { recursive: true, force: true });
    // What the systems say when there is a folder already, and it is not empty.
    if (['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(error.code)) return false;
    throw error;
  }
}

const ownerOf = (lock) => Number(readText(join(lock, 'pid')));

function removeStale(lock, owner) {
  const aside = `${lock}-stale-${process.pid}`;
  try {
    renameSync(lock, aside);
    // Somebody may have removed the stale lock before us and taken it: theirs is given back.
    if (ownerOf(aside) === owner) rmSync(aside, { recursive: true, force: true });
    else renameSync(aside, lock);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error; // somebody else was faster
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM'; // it is somebody else's
  }
}
