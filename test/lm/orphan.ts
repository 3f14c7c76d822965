// A program with an open model host. `leave`: it ends without a release; `stay`: it is killed with work in flight.
import { localModelWith } from '../../src/lm/llama/local-model.ts';
import { parentProcess } from '../../src/system/parent-process.ts';

const [gguf, entry] = [process.env.GGUF!, process.env.ENTRY!];
const lm = await localModelWith({ gguf }, { entry: new URL(entry), patienceMs: 30_000, openingPatienceMs: 30_000 });
const row = (user: string) => [{ prompt: { system: '', turns: [], user }, pieces: null }];
const [{ promptIds: [pid] = [] } = {}] = await lm.encode(row('hello'));
parentProcess().send({ pid });
if (process.env.ENDS === 'stay') await lm.encode(row('hang'));
parentProcess().close();
