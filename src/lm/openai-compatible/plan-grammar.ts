import type { AnswerPart } from '../../core/lm.ts';

/**
 * One grammar for a whole answer, in llama.cpp's GBNF; the decoders of vLLM and SGLang (xgrammar) read the same language. Each value's rules
 * get a prefix, because every value's grammar has a `root`.
 */
export function planGrammar(plan: readonly AnswerPart[]): string {
  const rules: string[] = [];
  const items = plan.map((part, index) => {
    if (part.type === 'text') return literal(part.text);
    if (part.type === 'choice') return `(${part.options.map(literal).join(' | ')})`;
    const prefix = `part${index}-`;
    rules.push(...part.grammar.split('\n').map((rule) => renamed(rule, prefix)));
    return `${prefix}root`;
  });
  return [`root ::= ${items.join(' ')}`, ...rules].join('\n');
}

// GBNF writes quotes and control characters in a literal as JSON does.
const literal = (text: string): string => JSON.stringify(text);

/** A rule with this before its name and before every name in it. Literals and character classes stay; a repetition has no name in it. */
const renamed = (rule: string, prefix: string): string =>
  rule.replaceAll(/"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|[A-Za-z][\w-]*/g, (token) =>
    /^[A-Za-z]/.test(token) ? prefix + token : token,
  );
