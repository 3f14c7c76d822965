const markupOf: unique symbol = Symbol('markup');

/** Markup, made by `html` and by nothing else but `trustedMarkup`: whatever stands in it as text cannot become a tag or an attribute. */
export interface Html {
  readonly [markupOf]: string;
}

/** What may stand in a template: text is escaped, markup is not, lists follow each other, null is nothing. */
export type Part = Html | string | number | null | readonly Part[];

/** Attribute values stand in double quotes: `html`<p title="${text}">${text}</p>``. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { [markupOf]: texts.map((text, index) => text + escapedPart(parts[index] ?? null)).join('') };
}

/** For text of ours that is markup already, such as a style sheet; never for anything that was read. */
export const trustedMarkup = (markup: string): Html => ({ [markupOf]: markup });

/** The characters to write into a file. */
export const markupText = (page: Html): string => page[markupOf];

function escapedPart(part: Part): string {
  if (part === null) return '';
  if (typeof part === 'string') return escapedText(part);
  if (typeof part === 'number') return String(part);
  return isList(part) ? part.map(escapedPart).join('') : part[markupOf];
}

// Array.isArray does not narrow readonly arrays out of the union.
const isList = (part: Html | readonly Part[]): part is readonly Part[] => Array.isArray(part);

const entities: { readonly [character: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Control characters and halves of characters have no place in HTML: they are shown as the character for what cannot be shown. */
const escapedText = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => entities[character]!).replaceAll(/(?![\n\t])\p{Cc}|\p{Cs}/gu, '\uFFFD');
