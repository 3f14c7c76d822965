import type { Json } from '../../core/json.ts';
import { whole } from '../figures.ts';
import type { RunReport } from '../run-report.ts';
import { type Html, html, type Part } from './html.ts';
import type { Section } from './section.ts';

/** What the run was made of, so that somebody else can make it again. */
export function manifestSection({
  run,
  experiment,
  summary,
  engines,
  starts,
  networkAttempts,
  trainings,
}: RunReport): Section {
  const { splits } = experiment;
  const entries: readonly (readonly [string, Part])[] = [
    ['run', code(run.id)],
    ['created', run.createdAt],
    ['version', experiment.version],
    ['seed', String(experiment.seed)],
    ['strategy', experiment.strategy],
    ['metric', experiment.metric.split('\n')[0] ?? ''],
    ['optimizers', Object.entries(experiment.optimizers).map(([key, { name }]) => `${key} = ${name} `)],
    ['data', html`train ${code(splits.train)}<br>val ${code(splits.val)}<br>test ${code(splits.test)}`],
    ['base models', basesOf(experiment.initial.predictors).map((base) => html`${code(base)} `)],
    ['adapters', trainings.length === 0 ? 'none' : trainings.map(({ adapter }) => html`${code(adapter)} `)],
    [
      'starts',
      starts.map(({ number, calls, endedBy }) => `${number}: ${whole(calls)} calls, ${endedBy ?? 'killed'}. `),
    ],
    ['network attempts', String(networkAttempts)],
    [
      'repeats',
      summary ? (summary.reproducible === 'bytes' ? 'byte for byte' : 'by replaying what is remembered') : '–',
    ],
    ['digest of the events', summary ? code(summary.digest) : '–'],
  ];
  return {
    id: 'manifest',
    title: 'Manifest',
    body: html`<dl class="manifest">${entries.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
${engines.map((engine) => html`<details><summary>Engine: ${engine.name} ${engine.version} on ${engine.device}</summary>${jsonMarkup({ ...engine })}</details>`)}
<details><summary>The whole experiment, as the run's id is the hash of it</summary>${jsonMarkup(run.experiment)}</details>`,
  };
}

const code = (text: string): Html => html`<code>${text}</code>`;

const jsonMarkup = (value: Json): Html => html`<pre dir="auto">${JSON.stringify(value, null, 2)}</pre>`;

const basesOf = (predictors: RunReport['experiment']['initial']['predictors']): readonly string[] => [
  ...new Set(Object.values(predictors).map(({ model }) => model.base)),
];
