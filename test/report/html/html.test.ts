import fc from 'fast-check';
import { expect, test } from 'vitest';
import { html, markupText } from '../../../src/report/html/html.ts';

test('text is escaped, markup is not, lists follow each other and null is nothing', () => {
  const bold = html`<b>${'a < b'}</b>`;
  expect(markupText(html`<p title="${'"quoted"'}">${[bold, '&', 1.5, null]}</p>`)).toBe(
    '<p title="&quot;quoted&quot;"><b>a &lt; b</b>&amp;1.5</p>',
  );
});

test('what cannot be shown is shown as such', () => {
  expect(markupText(html`${'a\u0000b\ud800c\td\n'}`)).toBe('a\ufffdb\ufffdc\td\n');
});

test('no text becomes markup, and every text comes back', () => {
  const plain = (text: string) => text.replaceAll(/(?![\n\t])\p{Cc}|\p{Cs}/gu, '\ufffd');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const markup = markupText(html`${text}`);
      expect(markup).not.toMatch(/[<>"']/);
      const back = markup
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&quot;', '"')
        .replaceAll('&#39;', "'")
        .replaceAll('&amp;', '&');
      expect(back).toBe(plain(text));
    }),
  );
});
