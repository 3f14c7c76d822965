import type {
  AdapterFile,
  Engine,
  LmRequest,
  LmResponse,
  MemoryNeed,
  Probe,
  TextRow,
  TokenRow,
} from '../../core/lm.ts';
import type { Notice } from '../../core/notice.ts';

export type DeviceChoice = 'auto' | 'cpu' | 'cuda' | 'metal';

/** What stays the same from one opening to the next, whatever the machine offers then. */
export type Layout = Pick<Engine, 'device' | 'threads' | 'sequences' | 'batchTokens' | 'contextTokens'>;

export const layoutOf = ({ device, threads, sequences, batchTokens, contextTokens }: Layout): Layout => ({
  device,
  threads,
  sequences,
  batchTokens,
  contextTokens,
});

/** Sizes that are settled before opening; the host chooses the others, because it sees the model and the device. */
export type LayoutWishes = Pick<Layout, 'threads'> &
  Partial<Pick<Layout, 'sequences' | 'batchTokens' | 'contextTokens'>>;

export interface OpenOrder {
  readonly gguf: string;
  readonly device: DeviceChoice;
  readonly wishes: LayoutWishes;
  /** How long the longest call may get; 0: not known. */
  readonly neededTokens: number;
  /** The engine of an earlier opening: its layout is taken over, and its `reproducible` when nothing else differs. */
  readonly earlier: Engine | null;
  /** A folder of the host's own, removed by the parent after the host's end. */
  readonly scratch: string;
}

export type Work =
  | { readonly kind: 'generate'; readonly request: LmRequest; readonly adapter: AdapterFile | null }
  | { readonly kind: 'encode'; readonly rows: readonly TextRow[] }
  | { readonly kind: 'token-texts'; readonly rows: readonly TokenRow[] }
  | { readonly kind: 'log-probabilities'; readonly probes: readonly Probe[]; readonly adapter: AdapterFile | null }
  | { readonly kind: 'embed'; readonly texts: readonly string[] };

export type WorkResult =
  | { readonly kind: 'generate'; readonly response: LmResponse }
  | { readonly kind: 'encode'; readonly rows: readonly TokenRow[] }
  | { readonly kind: 'token-texts'; readonly texts: readonly (readonly string[])[] }
  | { readonly kind: 'log-probabilities'; readonly distributions: readonly Float32Array[] }
  | { readonly kind: 'embed'; readonly vectors: readonly Float32Array[] };

/** The weights that a work is done with besides the base's; there are none where only text is handled. */
export const adapterOf = (work: Work): AdapterFile | null => ('adapter' in work ? work.adapter : null);

/** An error that crosses the process border: `input` and `world` become the classes of core/errors, `defect` an Error. */
export interface CrossingError {
  readonly kind: 'input' | 'world' | 'defect';
  readonly code: string;
  /** Every mistake of an input; one text otherwise. */
  readonly messages: readonly string[];
  readonly hint: string;
}

export type ToHost =
  | { readonly type: 'open'; readonly order: OpenOrder }
  /** The answer to `needs`. */
  | { readonly type: 'take' }
  | { readonly type: 'work'; readonly id: number; readonly work: Work }
  | { readonly type: 'drop'; readonly id: number };

export type FromHost =
  /** Before it takes memory of a GPU: it waits until it is told to. */
  | { readonly type: 'needs'; readonly need: MemoryNeed }
  | { readonly type: 'opened'; readonly engine: Engine; readonly notices: readonly Notice[] }
  | { readonly type: 'not-opened'; readonly error: CrossingError }
  /** Something was computed since the last sign of life; the memory that the process has now; and how long its pass should take. */
  | { readonly type: 'progress'; readonly memoryBytes: number; readonly passMs: number }
  /** From here on this work may be what brings the host down. */
  | { readonly type: 'started'; readonly id: number }
  | { readonly type: 'done'; readonly id: number; readonly result: WorkResult }
  | { readonly type: 'failed'; readonly id: number; readonly error: CrossingError }
  /** It tried to reach another machine, which it never should. */
  | { readonly type: 'network'; readonly to: string }
  /** The host cannot go on and ends itself. */
  | { readonly type: 'broken'; readonly message: string };

/** Anything else on the channel means that the process is not our host any more. */
export function isFromHost(message: unknown): message is FromHost {
  if (!isObject(message)) return false;
  switch (message.type) {
    case 'progress':
      return Number.isFinite(message.memoryBytes) && Number.isFinite(message.passMs);
    case 'needs':
      return isObject(message.need) && Number.isFinite(message.need.bytes) && Number.isFinite(message.need.freeBytes);
    case 'opened':
      return isObject(message.engine) && Array.isArray(message.notices);
    case 'not-opened':
      return isCrossing(message.error);
    case 'started':
      return typeof message.id === 'number';
    case 'done':
      return typeof message.id === 'number' && isWorkResult(message.result);
    case 'failed':
      return typeof message.id === 'number' && isCrossing(message.error);
    case 'network':
      return typeof message.to === 'string';
    case 'broken':
      return typeof message.message === 'string';
    default:
      return false;
  }
}

function isWorkResult(result: unknown): boolean {
  if (!isObject(result)) return false;
  switch (result.kind) {
    case 'generate':
      return isObject(result.response) && isObject(result.response.usage);
    case 'encode':
      return Array.isArray(result.rows);
    case 'token-texts':
      return Array.isArray(result.texts);
    case 'log-probabilities':
      return Array.isArray(result.distributions);
    case 'embed':
      return Array.isArray(result.vectors);
    default:
      return false;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const isCrossing = (error: unknown): boolean =>
  isObject(error) && typeof error.code === 'string' && Array.isArray(error.messages);
