import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { memoryStore } from '../../src/store/sqlite-store.ts';

/** Uses a memory store and ends without closing it. */
const store = memoryStore();
store.addRun({ id: 'a', experiment: {} });
store.holdRun('a');
console.log(`holding a run: ${readdirSync(tmpdir()).length} folders`);
store.workFolder('w');
console.log(`working: ${readdirSync(tmpdir()).length} folders`);
