/**
 * All that a page does by itself: the theme, what is searched and sorted, and what a link leads into. Without it everything is there to read.
 * It makes no markup, so that no text can become any.
 */
export const pageScript = `
'use strict';
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

const theme = document.querySelector('[data-theme-button]');
const themes = ['auto', 'light', 'dark'];
theme.hidden = false;
theme.addEventListener('click', () => {
  const next = themes[(themes.indexOf(document.documentElement.dataset.theme ?? 'auto') + 1) % themes.length];
  if (next === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  theme.textContent = 'Theme: ' + next;
});

const openAll = document.querySelector('[data-open-button]');
openAll.hidden = false;
openAll.addEventListener('click', () => {
  const open = openAll.textContent === 'Open all';
  for (const one of all('details')) one.open = open;
  openAll.textContent = open ? 'Close all' : 'Open all';
});

// A link into something that is closed opens it.
const openTarget = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
    target.querySelector('summary').focus();
  }
};
addEventListener('hashchange', openTarget);
openTarget();

// What is closed would be missing on paper.
let closed = [];
addEventListener('beforeprint', () => {
  closed = all('details:not([open])');
  for (const one of closed) one.open = true;
});
addEventListener('afterprint', () => {
  for (const one of closed) one.open = false;
});

for (const form of all('[data-filter]')) {
  const flips = all('.flip', form.nextElementSibling).map((element) => ({ element, text: element.textContent.toLowerCase() }));
  const apply = () => {
    const { text, part, outcome } = Object.fromEntries(new FormData(form));
    let shown = 0;
    for (const { element, text: own } of flips) {
      const { dataset } = element;
      const fits = own.includes(text.toLowerCase()) && (!part || dataset.part === part) && (!outcome || dataset.outcome === outcome);
      element.hidden = !fits;
      if (fits) shown++;
    }
    form.querySelector('output').textContent = shown + ' of ' + flips.length + ' shown';
  };
  form.hidden = false;
  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  apply();
}

for (const table of all('table[data-sortable]')) {
  const body = table.tBodies[0];
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const down = head.ariaSort === 'descending' ? 1 : -1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', down === -1 ? 'descending' : 'ascending');
      const key = (row) => row.cells[column].textContent;
      const number = (text) => (text === '–' ? -Infinity : Number(text));
      const isNumeric = [...body.rows].every((row) => !Number.isNaN(number(key(row))));
      const order = (a, b) => (isNumeric ? number(key(a)) - number(key(b)) || 0 : key(a).localeCompare(key(b)));
      body.append(...[...body.rows].sort((a, b) => down * order(a, b)));
    });
  }
}
`;
