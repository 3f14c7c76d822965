/**
 * One of our grammars as a regular expression, to see which texts it accepts and to let fast-check write some.
 * It is enough for them because no rule of ours names itself. Throws at a rule that is missing or at what it does not understand.
 */
export function grammarPattern(grammar: string): RegExp {
  const rules = new Map(
    grammar.split('\n').map((line): [string, string] => {
      const [, name, body] = /^([\w-]+) ::= (.+)$/.exec(line) ?? [];
      if (name === undefined || body === undefined) throw new TypeError(`Not a rule: ${line}`);
      return [name, body];
    }),
  );
  const inlined = (body: string): string => tokensOf(body).map(pattern).join('');
  const pattern = (token: string): string => {
    if (/^\s/.test(token)) return '';
    if (token === '(') return '(?:';
    // GBNF escapes a literal as JSON does.
    if (token.startsWith('"')) return `(?:${escaped(JSON.parse(token))})`;
    if (!/^[a-z]/i.test(token)) return token;
    const rule = rules.get(token);
    if (rule === undefined) throw new TypeError(`There is no rule "${token}" in:\n${grammar}`);
    return `(?:${inlined(rule)})`;
  };
  return new RegExp(`^${pattern('root')}$`, 'u');
}

/** Literals, character classes, names, blanks, and the signs that mean the same in a regular expression. */
function tokensOf(body: string): string[] {
  const tokens = body.match(/"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\{\d+,?\d*\}|[\w-]+|\s+|[()|*+?]/g) ?? [];
  if (tokens.join('') !== body) throw new TypeError(`Not GBNF: ${body}`);
  return tokens;
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
