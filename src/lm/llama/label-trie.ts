/** The token paths of a closed set of options. A leaf carries the index of its option. */
export interface TrieNode {
  readonly children: Map<number, TrieNode>;
  option: number | null;
}

/**
 * Paths of tokens as a tree. No path may be the beginning of another (a path ends with the token that follows the option, which sees to
 * that); of two equal paths the first counts.
 */
export function labelTrie(paths: readonly (readonly number[])[]): TrieNode {
  const root: TrieNode = { children: new Map(), option: null };
  for (const [option, path] of paths.entries()) {
    const leaf = path.reduce(childOf, root);
    if (leaf.children.size > 0) throw new TypeError(`Option ${option} is the beginning of another option`);
    leaf.option ??= option;
  }
  return root;
}

function childOf(node: TrieNode, token: number): TrieNode {
  if (node.option !== null) throw new TypeError(`Option ${node.option} is the beginning of another option`);
  const known = node.children.get(token);
  if (known) return known;
  const child: TrieNode = { children: new Map(), option: null };
  node.children.set(token, child);
  return child;
}
