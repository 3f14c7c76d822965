import type { Rng } from '../../src/core/rng.ts';

/** One of our grammars, to see which texts it accepts and to write some. It knows of GBNF what our grammars use, and throws at the rest. */
export interface Grammar {
  accepts(text: string): boolean;
  /** A text of the grammar: where it may go on or stop, it stops more and more readily. */
  sample(rng: Rng): string;
}

type Node =
  | { readonly type: 'literal'; readonly chars: readonly string[] }
  | { readonly type: 'class'; readonly ranges: readonly (readonly [number, number])[]; readonly negated: boolean }
  | { readonly type: 'rule'; readonly name: string }
  | { readonly type: 'sequence'; readonly of: readonly Node[] }
  | { readonly type: 'choice'; readonly of: readonly Node[] }
  | { readonly type: 'repeat'; readonly of: Node; readonly least: number; readonly most: number };

export function grammarOf(text: string): Grammar {
  const rules = new Map(
    text.split('\n').map((line): [string, Node] => {
      const [, name, body] = /^([a-z][a-z0-9-]*) ::= (.+)$/s.exec(line) ?? [];
      if (name === undefined || body === undefined) throw new TypeError(`Not a rule: ${line}`);
      return [name, parsed(body)];
    }),
  );
  const ruleOf = (name: string): Node => {
    const rule = rules.get(name);
    if (!rule) throw new TypeError(`There is no rule "${name}" in:\n${text}`);
    return rule;
  };
  return {
    accepts: (given) => {
      const chars = [...given];
      return endsOf({ type: 'rule', name: 'root' }, 0, chars, ruleOf).has(chars.length);
    },
    sample: (rng) => written({ type: 'rule', name: 'root' }, rng, ruleOf),
  };
}

type RuleOf = (name: string) => Node;

/** Where a node that begins at this place can end. A rule that ends in another is followed without recursion: chains of them are long. */
function endsOf(node: Node, start: number, chars: readonly string[], ruleOf: RuleOf): Set<number> {
  switch (node.type) {
    case 'literal':
      return new Set(
        node.chars.every((char, index) => chars[start + index] === char) ? [start + node.chars.length] : [],
      );
    case 'class':
      return new Set(start < chars.length && isIn(node, chars[start]!) ? [start + 1] : []);
    case 'choice':
      return new Set(node.of.flatMap((one) => [...endsOf(one, start, chars, ruleOf)]));
    case 'sequence':
      return node.of.reduce((ends, one) => from(ends, one, chars, ruleOf), new Set([start]));
    case 'rule':
      return endsOfRule(node.name, start, chars, ruleOf);
    case 'repeat': {
      const found = new Set(node.least === 0 ? [start] : []);
      let ends = new Set([start]);
      for (let count = 1; count <= node.most && ends.size > 0; count++) {
        const before = found.size;
        ends = from(ends, node.of, chars, ruleOf);
        if (count >= node.least) for (const end of ends) found.add(end);
        if (count > node.least && found.size === before) break;
      }
      return found;
    }
  }
}

const from = (starts: ReadonlySet<number>, node: Node, chars: readonly string[], ruleOf: RuleOf): Set<number> =>
  new Set([...starts].flatMap((start) => [...endsOf(node, start, chars, ruleOf)]));

function endsOfRule(name: string, start: number, chars: readonly string[], ruleOf: RuleOf): Set<number> {
  const found = new Set<number>();
  const open: (readonly [Node, number])[] = [[ruleOf(name), start]];
  const seen = new Set<string>();
  for (const [node, at] of open) {
    for (const [tail, end] of tailsOf(node, at, chars, ruleOf)) {
      if (tail === null) found.add(end);
      else if (!seen.has(`${tail} ${end}`)) {
        seen.add(`${tail} ${end}`);
        open.push([ruleOf(tail), end]);
      }
    }
  }
  return found;
}

/** Ends of a node, each with the rule that is still to be followed there. */
function tailsOf(node: Node, start: number, chars: readonly string[], ruleOf: RuleOf): [string | null, number][] {
  if (node.type === 'rule') return [[node.name, start]];
  if (node.type === 'choice') return node.of.flatMap((one) => tailsOf(one, start, chars, ruleOf));
  if (node.type === 'repeat' && node.least === 0 && node.most === 1)
    return [[null, start], ...tailsOf(node.of, start, chars, ruleOf)];
  if (node.type !== 'sequence' || node.of.length === 0)
    return [...endsOf(node, start, chars, ruleOf)].map((end): [null, number] => [null, end]);
  const before: Node = { type: 'sequence', of: node.of.slice(0, -1) };
  return [...endsOf(before, start, chars, ruleOf)].flatMap((end) => tailsOf(node.of.at(-1)!, end, chars, ruleOf));
}

function isIn({ ranges, negated }: Extract<Node, { type: 'class' }>, char: string): boolean {
  const code = char.codePointAt(0)!;
  return ranges.some(([first, last]) => first <= code && code <= last) !== negated;
}

/** Breadth is limited by a stack of our own, not by the engine's: chains of rules are long. */
function written(root: Node, rng: Rng, ruleOf: RuleOf): string {
  let text = '';
  let steps = 0;
  const stack: Node[] = [root];
  const goesOn = () => rng.next() < 1 / (1 + steps / 40);
  for (let node = stack.pop(); node; node = stack.pop()) {
    steps++;
    if (node.type === 'literal') text += node.chars.join('');
    else if (node.type === 'class') text += charOf(node, rng);
    else if (node.type === 'rule') stack.push(ruleOf(node.name));
    else if (node.type === 'choice') stack.push(node.of[rng.int(node.of.length)]!);
    else if (node.type === 'sequence') stack.push(...node.of.toReversed());
    else if (node.type === 'repeat' && (node.least > 0 || (node.most > 0 && goesOn())))
      stack.push({ ...node, least: Math.max(node.least - 1, 0), most: node.most - 1 }, node.of);
  }
  return text;
}

// Of a large set some are drawn from its beginning, where the characters are that mean something.
function charOf({ ranges, negated }: Extract<Node, { type: 'class' }>, rng: Rng): string {
  const within = negated ? complement(ranges) : ranges;
  const [first, last] = within[rng.int(within.length)]!;
  const code = first + rng.int(Math.min(last - first + 1, rng.int(2) === 0 ? 128 : 0x110000));
  return 0xd800 <= code && code <= 0xdfff ? ' ' : String.fromCodePoint(code);
}

function complement(ranges: readonly (readonly [number, number])[]): [number, number][] {
  const gaps: [number, number][] = [];
  let next = 0;
  for (const [first, last] of ranges.toSorted(([a], [b]) => a - b)) {
    if (first > next) gaps.push([next, first - 1]);
    next = Math.max(next, last + 1);
  }
  return next > 0x10ffff ? gaps : [...gaps, [next, 0x10ffff]];
}

/** Reads the body of a rule: literals, classes, names, groups, and how often. */
function parsed(body: string): Node {
  const tokens = body.match(/"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\{\d+,?\d*\}|[a-z][a-z0-9-]*|\s+|[()|*+?]/g) ?? [];
  if (tokens.join('') !== body) throw new TypeError(`Not GBNF: ${body}`);
  const rest = tokens.filter((token) => !/^\s/.test(token));
  const choice = (): Node => {
    const options = [sequence()];
    while (rest[0] === '|') {
      rest.shift();
      options.push(sequence());
    }
    return options.length === 1 ? options[0]! : { type: 'choice', of: options };
  };
  const sequence = (): Node => {
    const items: Node[] = [];
    while (rest.length > 0 && rest[0] !== '|' && rest[0] !== ')') items.push(repeated(item(rest.shift()!)));
    return items.length === 1 ? items[0]! : { type: 'sequence', of: items };
  };
  const repeated = (of: Node): Node => {
    const [, sign, least, comma, most] = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})$/.exec(rest[0] ?? '') ?? [];
    if (sign === undefined && least === undefined) return of;
    rest.shift();
    const endless = Number.POSITIVE_INFINITY;
    if (sign) return { type: 'repeat', of, least: sign === '+' ? 1 : 0, most: sign === '?' ? 1 : endless };
    return { type: 'repeat', of, least: Number(least), most: most ? Number(most) : comma ? endless : Number(least) };
  };
  const item = (token: string): Node => {
    if (token.startsWith('"')) return { type: 'literal', chars: [...unescaped(token.slice(1, -1)).map(String)] };
    if (token.startsWith('[')) return classOf(token);
    if (token !== '(') return { type: 'rule', name: token };
    const inside = choice();
    if (rest.shift() !== ')') throw new TypeError(`A group is not closed: ${body}`);
    return inside;
  };
  const whole = choice();
  if (rest.length > 0) throw new TypeError(`Not GBNF behind ${rest[0]}: ${body}`);
  return whole;
}

const escapes: { readonly [letter: string]: string } = { n: '\n', r: '\r', t: '\t' };

/** Characters, with the escapes of llama.cpp read. */
const unescaped = (text: string): string[] =>
  [...text.matchAll(/\\x([\da-fA-F]{2})|\\u([\da-fA-F]{4})|\\U([\da-fA-F]{8})|\\(.)|(.)/gsu)].map(
    ([, x, u, long, escaped, plain]) => {
      const code = x ?? u ?? long;
      if (code !== undefined) return String.fromCodePoint(Number.parseInt(code, 16));
      return plain ?? escapes[escaped!] ?? escaped!;
    },
  );

function classOf(token: string): Node {
  const negated = token.startsWith('[^');
  const inside = token.slice(negated ? 2 : 1, -1);
  const single = /\\x[\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\U[\da-fA-F]{8}|\\.|[^\\]/.source;
  const ranges = [...inside.matchAll(new RegExp(`(${single})(?:-(${single}))?`, 'gsu'))].map(
    ([, first, last]): [number, number] => [codeOf(first!), codeOf(last ?? first!)],
  );
  return { type: 'class', ranges, negated };
}

const codeOf = (text: string): number => unescaped(text)[0]!.codePointAt(0)!;
