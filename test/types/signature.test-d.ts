import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { type InputsOf, type OutputsOf, signature } from '../../src/core/signature.ts';

test('a field has the type that the string names', () => {
  const typed = signature("a: int, b -> c: 'x' | 'y', d: bool, e: list[str]");
  expectTypeOf<InputsOf<typeof typed>>().toEqualTypeOf<{ a: number; b: string }>();
  expectTypeOf<OutputsOf<typeof typed>>().toEqualTypeOf<{ c: 'x' | 'y'; d: boolean; e: string[] }>();
});

test('lists nest, in both spellings', () => {
  const typed = signature("a -> b: list[list[float]], c: int[], d: list[float][], e: list['x' | 'y'], f: list[bool[]]");
  expectTypeOf<OutputsOf<typeof typed>>().toEqualTypeOf<{
    b: number[][];
    c: number[];
    d: number[][];
    e: ('x' | 'y')[];
    f: boolean[][];
  }>();
});

test('an input has the type of its label', () => {
  const typed = signature("tone: 'warm' | 'cold', marks: list['x' | 'y'] -> text");
  expectTypeOf<InputsOf<typeof typed>>().toEqualTypeOf<{ tone: 'warm' | 'cold'; marks: ('x' | 'y')[] }>();
});

test('commas, arrows, pipes, brackets and the other quote may stand inside quotes', () => {
  const typed = signature(`a: 'i -> o' -> b: 'x, y' | "p -> q" | 'r | s' | "[t" | "it's" | '"u"', c: 'z'`);
  expectTypeOf<InputsOf<typeof typed>>().toEqualTypeOf<{ a: 'i -> o' }>();
  expectTypeOf<OutputsOf<typeof typed>>().toEqualTypeOf<{
    b: 'x, y' | 'p -> q' | 'r | s' | '[t' | "it's" | '"u"';
    c: 'z';
  }>();
});

test('line breaks are blanks', () => {
  const typed = signature(`
    ticket
    ->
    team: 'billing'
        | 'delivery',
    urgent: bool
  `);
  expectTypeOf<InputsOf<typeof typed>>().toEqualTypeOf<{ ticket: string }>();
  expectTypeOf<OutputsOf<typeof typed>>().toEqualTypeOf<{ team: 'billing' | 'delivery'; urgent: boolean }>();
});

test('a hundred labels are a type', () => {
  const typed = signature(
    "a -> b: '00'|'01'|'02'|'03'|'04'|'05'|'06'|'07'|'08'|'09'|'10'|'11'|'12'|'13'|'14'|'15'|'16'|'17'|'18'|'19'|'20'|'21'|'22'|'23'|'24'|'25'|'26'|'27'|'28'|'29'|'30'|'31'|'32'|'33'|'34'|'35'|'36'|'37'|'38'|'39'|'40'|'41'|'42'|'43'|'44'|'45'|'46'|'47'|'48'|'49'|'50'|'51'|'52'|'53'|'54'|'55'|'56'|'57'|'58'|'59'|'60'|'61'|'62'|'63'|'64'|'65'|'66'|'67'|'68'|'69'|'70'|'71'|'72'|'73'|'74'|'75'|'76'|'77'|'78'|'79'|'80'|'81'|'82'|'83'|'84'|'85'|'86'|'87'|'88'|'89'|'90'|'91'|'92'|'93'|'94'|'95'|'96'|'97'|'98'|'99', c",
  );
  type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
  expectTypeOf<OutputsOf<typeof typed>>().toEqualTypeOf<{ b: `${Digit}${Digit}`; c: string }>();
});

test('a string that is only known at run time has fields of any name', () => {
  const typed = signature('a -> b' as string);
  expectTypeOf<OutputsOf<typeof typed>>().toEqualTypeOf<{ [name: string]: unknown }>();
});

test('shapes keep their types', () => {
  const typed = signature({
    inputs: { ticket: z.string(), age: z.int().optional() },
    outputs: { team: z.enum(['billing', 'delivery']).nullable() },
  });
  expectTypeOf<InputsOf<typeof typed>>().toEqualTypeOf<{ ticket: string; age?: number | undefined }>();
  expectTypeOf<OutputsOf<typeof typed>>().toEqualTypeOf<{ team: 'billing' | 'delivery' | null }>();
});

test('a signature needs both sides', () => {
  // @ts-expect-error there are no outputs
  signature({ inputs: { ticket: z.string() } });
});
