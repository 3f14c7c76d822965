import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { tryLock } from '../../src/system/lock.ts';

/** Holds the lock named by its argument until it is killed, and keeps nothing that the garbage collector would respect. */
tryLock(process.argv[2] ?? '');
setFlagsFromString('--expose-gc');
runInNewContext('gc')();
console.log('held');
process.stdin.resume(); // lives until it is killed, or the test ends
