// Numbers between two bounds as GBNF, digit by digit. Every double between them has a text here, the one that JSON.stringify writes, and
// every text here is read back as a double between them: reading rounds, but never across a double, and both bounds are doubles.

/** The whole numbers between two bounds, both included; null when there is none. */
export function integerExpression(least: number, most: number): string | null {
  const low = BigInt(Math.max(Math.ceil(least), Number.MIN_SAFE_INTEGER));
  const high = BigInt(Math.min(Math.floor(most), Number.MAX_SAFE_INTEGER));
  return oneOf([...wholes(low > 0n ? low : 0n, high), ...preceded('"-" ', wholes(high < 0n ? -high : 1n, -low))]);
}

/** The numbers between two bounds, both included; null when there is none. */
export function numberExpression(least: number, most: number): string | null {
  const low = Math.max(least, -Number.MAX_VALUE);
  const high = Math.min(most, Number.MAX_VALUE);
  return oneOf([
    ...magnitudes(Math.max(low, 0), high),
    ...preceded('"-" ', magnitudes(Math.max(-high, Number.MIN_VALUE), -low)),
  ]);
}

/** The next double in a direction, to turn a bound that is not included into one that is. */
export function neighbour(value: number, direction: 1 | -1): number {
  if (value === 0) return direction * Number.MIN_VALUE;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + BigInt(value > 0 ? direction : -direction));
  return bits.getFloat64(0);
}

// JSON.stringify writes an exponent below the one and from the other on.
const firstPlain = 1e-6;
const firstLarge = 1e21;
/** As many digits as a double below 1 has behind its point when it is written without an exponent: 5 zeros and 17 digits. */
const fractionDigits = 22;
const mantissaDigits = 16;

function magnitudes(low: number, high: number): string[] {
  if (low > high) return [];
  const smallest = Math.max(low, Number.MIN_VALUE);
  return [
    ...plains(low === 0 ? 0 : Math.max(low, firstPlain), high),
    ...powers(smallest, Math.min(high, neighbour(firstPlain, -1))),
    ...powers(Math.max(smallest, firstLarge), high),
  ];
}

/** Numbers that are written without an exponent; `low` is 0 or not below the first of them. */
function plains(low: number, high: number): string[] {
  if (low > high || low >= firstLarge) return [];
  const last = high < firstPlain ? 0 : high;
  return decimals(decimalOf(low), decimalOf(last < firstLarge ? last : '9'.repeat(21)), fractionDigits);
}

/** Digits before and behind the point. A null fraction, as an upper bound, is any. */
interface Decimal {
  readonly whole: bigint;
  readonly fraction: string | null;
}

function decimalOf(value: number | string): Decimal & { readonly fraction: string } {
  const [whole, fraction = ''] = String(value).split('.');
  return { whole: BigInt(whole!), fraction };
}

function decimals(low: Decimal, high: Decimal, digits: number): string[] {
  const start = low.fraction ?? '';
  if (low.whole === high.whole) return preceded(`"${low.whole}"`, fractions(start, high.fraction, digits));
  const first = start === '' ? low.whole : low.whole + 1n;
  const last = high.fraction === null ? high.whole : high.whole - 1n;
  const between = oneOf(wholes(first, last));
  return [
    ...(start === '' ? [] : preceded(`"${low.whole}"`, fractions(start, null, digits))),
    ...(between === null ? [] : preceded(between, fractions('', null, digits))),
    ...(high.fraction === null ? [] : preceded(`"${high.whole}"`, fractions('', high.fraction, digits))),
  ];
}

/** The point and what stands behind it, or nothing where that is enough. */
function fractions(low: string, high: string | null, digits: number): string[] {
  const { mayEnd, options } = tails(low, high, digits);
  const behind = oneOf(options);
  if (behind === null) return mayEnd ? [''] : [];
  return [mayEnd ? ` ("." ${behind})?` : ` "." ${behind}`];
}

interface Tails {
  /** Whether there need be no more digits. */
  readonly mayEnd: boolean;
  readonly options: readonly string[];
}

/** Digits behind a point between two bounds, both included. Bounds have no zeros at their end. */
function tails(low: string, high: string | null, digits: number): Tails {
  const mayEnd = low === '';
  if (digits === 0) return { mayEnd, options: [] };
  if (high === '') return { mayEnd, options: mayEnd ? [`"0"{1,${digits}}`] : [] };
  const from = Number(low[0] ?? 0);
  const to = Number(high?.[0] ?? 9);
  const behind = (digit: number, least: string, most: string | null) =>
    behindDigit(digit, tails(least, most, digits - 1));
  if (low !== '' && high !== null && from === to) return { mayEnd, options: behind(from, low.slice(1), high.slice(1)) };
  const first = low === '' ? 0 : from + 1;
  const last = high === null ? 9 : to - 1;
  const more = digits === 1 ? '' : ` [0-9]{0,${digits - 1}}`;
  const options = [
    ...(low === '' ? [] : behind(from, low.slice(1), null)),
    ...(first > last ? [] : [`${digitsBetween(first, last)}${more}`]),
    ...(high === null ? [] : behind(to, '', high.slice(1))),
  ];
  return { mayEnd, options };
}

function behindDigit(digit: number, { mayEnd, options }: Tails): string[] {
  const more = oneOf(options);
  if (more === null) return mayEnd ? [`"${digit}"`] : [];
  return [mayEnd ? `"${digit}" (${more})?` : `"${digit}" ${more}`];
}

/** Numbers that are written with an exponent. */
function powers(low: number, high: number): string[] {
  if (low > high) return [];
  const [from, to] = [powerOf(low), powerOf(high)];
  const any: Decimal = { whole: 9n, fraction: null };
  const one = decimalOf(1);
  if (from.exponent === to.exponent) return withExponent(from.mantissa, to.mantissa, from.exponent, from.exponent);
  return [
    ...withExponent(from.mantissa, any, from.exponent, from.exponent),
    ...withExponent(one, any, from.exponent + 1, to.exponent - 1),
    ...withExponent(one, to.mantissa, to.exponent, to.exponent),
  ];
}

function withExponent(low: Decimal, high: Decimal, least: number, most: number): string[] {
  const exponent = least > 0 ? wholes(BigInt(least), BigInt(most)) : wholes(BigInt(-most), BigInt(-least));
  const powers = oneOf(exponent);
  const mantissa = oneOf(decimals(low, high, mantissaDigits));
  return powers === null || mantissa === null ? [] : [`${mantissa} "e${least > 0 ? '+' : '-'}" ${powers}`];
}

function powerOf(value: number): { readonly mantissa: Decimal; readonly exponent: number } {
  const [mantissa, exponent] = value.toExponential().split('e');
  return { mantissa: decimalOf(mantissa!), exponent: Number(exponent) };
}

/** Whole numbers from 0 on, without leading zeros. */
function wholes(low: bigint, high: bigint): string[] {
  if (low > high) return [];
  const all = Array.from({ length: String(high).length }, (_, index) => {
    const least = index === 0 ? 0n : 10n ** BigInt(index);
    const most = 10n ** BigInt(index + 1) - 1n;
    return {
      length: index + 1,
      low: low > least ? low : least,
      high: high < most ? high : most,
      isWhole: low <= least && high >= most,
    };
  }).filter((range) => range.low <= range.high);
  const whole = all.filter(({ isWhole, length }) => isWhole && length > 1);
  return [
    ...(whole.length > 0 ? [`[1-9]${anyDigits(whole[0]!.length - 1, whole.at(-1)!.length - 1)}`] : []),
    ...all.filter((range) => !whole.includes(range)).map((range) => sameLength(String(range.low), String(range.high))),
  ];
}

/** Digit strings of equal length between two of them. */
function sameLength(low: string, high: string): string {
  const rest = low.length - 1;
  const [from, to] = [Number(low[0]), Number(high[0])];
  if (/^0*$/.test(low.slice(1)) && /^9*$/.test(high.slice(1)))
    return `${digitsBetween(from, to)}${anyDigits(rest, rest)}`;
  if (from === to) return `"${from}" ${sameLength(low.slice(1), high.slice(1))}`;
  const middle = from + 1 <= to - 1 ? [`${digitsBetween(from + 1, to - 1)}${anyDigits(rest, rest)}`] : [];
  const options = [
    `"${from}" ${sameLength(low.slice(1), '9'.repeat(rest))}`,
    ...middle,
    `"${to}" ${sameLength('0'.repeat(rest), high.slice(1))}`,
  ];
  return `(${options.join(' | ')})`;
}

const digitsBetween = (first: number, last: number): string => (first === last ? `"${first}"` : `[${first}-${last}]`);

const anyDigits = (least: number, most: number): string => {
  if (most === 0) return '';
  return least === most ? ` [0-9]{${least}}` : ` [0-9]{${least},${most}}`;
};

const preceded = (before: string, rest: readonly string[]): string[] => rest.map((one) => before + one);

const oneOf = (options: readonly string[]): string | null => {
  if (options.length < 2) return options[0] ?? null;
  return `(${options.join(' | ')})`;
};
