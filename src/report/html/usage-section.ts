import { shortId } from '../../core/json.ts';
import type { RunReport } from '../run-report.ts';
import { html } from './html.ts';
import type { Section } from './section.ts';

/** How to use what the run came to. `program` is where its saved program lies; null where there is none. */
export function usageSection({ run, experiment }: RunReport, program: string | null): Section {
  const [input] = Object.values(experiment.predictors)[0]?.inputFields ?? [];
  const name = input?.name ?? 'input';
  const id = shortId(run.id);
  return {
    id: 'use',
    title: 'Use',
    body: html`${
      program === null
        ? html`<p>No saved program of this run was found beside its store. The same run command again saves it, without a call.</p>`
        : html`<p>The chosen program, with its prompts and its adapter, lies in <code>${program}</code>.</p>
<pre>npx better-together predict ${shellWord(program)} --input ${shellWord(JSON.stringify({ [name]: '…' }))}
npx better-together evaluate ${shellWord(program)} --data FILE</pre>
<pre>import { loadProgram } from 'better-together';

const program = await loadProgram(${JSON.stringify(program)});
const prediction = await program({ ${JSON.stringify(name)}: '…' });</pre>`
    }
<pre>npx better-together verify ${id}   # asks calls of this run again and compares the answers
npx better-together show ${id}     # the same run in the terminal</pre>`,
  };
}

const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
