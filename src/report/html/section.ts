import { type Html, html, type Part } from './html.ts';

/** A part of a page that one can go to. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Part;
}

export const sectionMarkup = ({ id, title, body }: Section): Html =>
  html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${body}</section>`;
