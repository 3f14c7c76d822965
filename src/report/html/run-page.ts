import { shortId } from '../../core/json.ts';
import type { RunReport } from '../run-report.ts';
import { summaryVerdict } from '../summary-text.ts';
import { candidatesSection } from './candidates-section.ts';
import { costsSection } from './costs-section.ts';
import { flipPairs, flipsSection } from './flips-section.ts';
import { html } from './html.ts';
import { manifestSection } from './manifest-section.ts';
import { page } from './page.ts';
import { pathSection } from './path-section.ts';
import type { Section } from './section.ts';
import { trainingsSection } from './trainings-section.ts';
import { usageSection } from './usage-section.ts';

/** The report of a run: one HTML file that works from disk and loads nothing. `program`: where its saved program lies, if it does. */
export function runPage(report: RunReport, program: string | null): string {
  const { run, experiment, summary } = report;
  return page({
    title: `Run ${shortId(run.id)}: ${experiment.strategy}`,
    lead: html`<p class="muted">created ${run.createdAt}, seed ${experiment.seed}, better-together ${experiment.version}</p>
${summary ? html`<p class="verdict">${summaryVerdict(summary)}</p>` : null}`,
    sections: [
      pathSection(report),
      candidatesSection(report),
      flipsSection(flipPairs(report), report.example),
      trainingsSection(report),
      costsSection(report),
      noticesSection(report),
      manifestSection(report),
      usageSection(report, program),
    ],
  });
}

const noticesSection = ({ notices }: RunReport): Section => ({
  id: 'notices',
  title: 'Notices',
  body:
    notices.length === 0
      ? html`<p>There is nothing that you should know beside this.</p>`
      : html`<ul>${notices.map(({ code, message }) => html`<li>${message} <code>${code}</code></li>`)}</ul>`,
});
