import type { Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';

/** The descriptor on which a host process talks with its parent. */
export const hostDescriptor = 3;

/** Structured clones, sent and received over a stream that the other side may not keep to. */
export interface MessageChannel {
  /** A message to a side that is gone is lost. */
  send(message: object, onSent?: () => void): void;
  /** Tells the other side that nothing more comes. */
  close(): void;
}

export interface MessageChannelEvents {
  onMessage(message: unknown): void;
  /** Bytes came that are no message, of which these are the first; what comes after them is not looked at. */
  onRubbish(bytes: Buffer): void;
}

// Before each message. Without a mark, four stray bytes would be the length of a message that one waits for in vain.
const mark = Buffer.from('b2b\n');
const headerBytes = mark.length + 4;
const longestMessage = 2 ** 30;

/**
 * Node's own channel between processes throws, past every handler, in the side that reads what is no message: a host whose native code
 * writes to a wrong descriptor would take its parent along.
 */
export function openMessageChannel(socket: Socket, { onMessage, onRubbish }: MessageChannelEvents): MessageChannel {
  socket.on('data', messageReader(onMessage, onRubbish));
  // A side that is gone is known by its end.
  socket.on('error', () => {});
  return {
    send(message, onSent = () => {}) {
      if (!socket.writable) return;
      const body = serialize(message);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(body.length);
      socket.write(Buffer.concat([mark, length, body]), () => onSent());
    },
    close: () => void socket.end(),
  };
}

/** Takes bytes as they come and gives whole messages. */
function messageReader(onMessage: (message: unknown) => void, onRubbish: (bytes: Buffer) => void) {
  let chunks: Buffer[] = [];
  let received = 0;
  let awaited = headerBytes;
  let isBroken = false;
  return (chunk: Buffer): void => {
    if (isBroken) return;
    chunks.push(chunk);
    received += chunk.length;
    // A long message is put together once, not with each of its chunks.
    if (received < awaited) return;
    let bytes = Buffer.concat(chunks);
    let next = firstIn(bytes);
    for (; next.kind === 'message'; next = firstIn(bytes)) {
      bytes = bytes.subarray(next.end);
      onMessage(next.value);
    }
    isBroken = next.kind === 'rubbish';
    awaited = next.end;
    chunks = [bytes];
    received = bytes.length;
    if (isBroken) onRubbish(bytes.subarray(0, 32));
  };
}

/** What the bytes begin with, and where that ends; of a message that is not whole yet, as far as one can tell. */
type First =
  | { readonly kind: 'message'; readonly end: number; readonly value: unknown }
  | { readonly kind: 'part' | 'rubbish'; readonly end: number };

function firstIn(bytes: Buffer): First {
  const rubbish = { kind: 'rubbish', end: 0 } as const;
  const begun = Math.min(bytes.length, mark.length);
  if (bytes.compare(mark, 0, begun, 0, begun) !== 0) return rubbish;
  if (bytes.length < headerBytes) return { kind: 'part', end: headerBytes };
  const length = bytes.readUInt32BE(mark.length);
  const end = headerBytes + length;
  if (length > longestMessage) return rubbish;
  if (bytes.length < end) return { kind: 'part', end };
  try {
    return { kind: 'message', end, value: deserialize(bytes.subarray(headerBytes, end)) };
  } catch {
    return rubbish;
  }
}
