import { createHash } from 'node:crypto';
import { html, markupText, type Part, trustedMarkup } from './html.ts';
import { pageScript } from './page-script.ts';
import { pageStyle } from './page-style.ts';
import { type Section, sectionMarkup } from './section.ts';

/** By this a file is known to be one that may be written anew. */
export const pageBeginning = '<!doctype html>\n<html lang="en" data-made-by="better-together">';

interface Page {
  readonly title: string;
  /** What stands below the title. */
  readonly lead: Part;
  readonly sections: readonly Section[];
}

/** One file with everything in it. The browser itself is told to load nothing and to run no script but ours. */
export function page({ title, lead, sections }: Page): string {
  const policy = `default-src 'none'; style-src ${sourceHash(pageStyle)}; script-src ${sourceHash(pageScript)}; base-uri 'none'; form-action 'none'`;
  const document = html`
<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">
<title>${title}</title><style>${trustedMarkup(pageStyle)}</style></head>
<body><a class="skip" href="#content">To the content</a>
<header><h1>${title}</h1>${lead}</header>
<nav aria-label="Parts of this page"><div>${sections.map(({ id, title: name }) => html`<a href="#${id}">${name}</a>`)}
<button type="button" class="button" data-theme-button hidden>Theme: auto</button><button type="button" class="button" data-open-button hidden>Open all</button></div></nav>
<main id="content" tabindex="-1">${sections.map(sectionMarkup)}</main>
<footer>Made by better-together from its store. This file needs nothing else and asks nobody.</footer>
<script>${trustedMarkup(pageScript)}</script></body></html>
`;
  return pageBeginning + markupText(document);
}

const sourceHash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
