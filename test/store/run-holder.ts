import { sqliteStore } from '../../src/store/sqlite-store.ts';

/** Holds the run `run` of the store named by its argument until it is killed. */
sqliteStore(process.argv[2] ?? '').holdRun('run');
console.log('held');
process.stdin.resume(); // lives until it is killed, or the test ends
