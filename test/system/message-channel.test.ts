import { Socket } from 'node:net';
import { serialize } from 'node:v8';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openMessageChannel } from '../../src/system/message-channel.ts';

/** What a channel's reader makes of these chunks, and the bytes that a channel's writer makes of these messages. */
function reader() {
  const socket = new Socket();
  const got: unknown[] = [];
  openMessageChannel(socket, {
    onMessage: (message) => got.push(message),
    onRubbish: (bytes) => got.push(`rubbish ${bytes.toString('hex')}`),
  });
  return { got, receive: (chunk: Buffer) => socket.emit('data', chunk) };
}

const framed = (body: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([Buffer.from('b2b\n'), length, body]);
};

test('messages arrive whole and in order, in whatever chunks their bytes come', () => {
  const messages = fc.array(fc.oneof(fc.jsonValue(), fc.float32Array()), { maxLength: 6 });
  const cuts = fc.array(fc.nat(200), { maxLength: 30 });
  fc.assert(
    fc.property(messages, cuts, (sent, sizes) => {
      const { got, receive } = reader();
      let bytes = Buffer.concat(sent.map((message) => framed(serialize(message))));
      for (const size of sizes) {
        receive(bytes.subarray(0, size));
        bytes = bytes.subarray(size);
      }
      receive(bytes);
      expect(got).toEqual(sent);
    }),
    { seed: 1 },
  );
});

test('bytes that are no message are told once, after the messages before them, and nothing comes after them', () => {
  const message = framed(serialize({ id: 1 }));
  const noise = fc.uint8Array({ minLength: 8, maxLength: 64 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(noise, (bytes) => {
      fc.pre(!bytes.subarray(0, 4).equals(Buffer.from('b2b\n')));
      const { got, receive } = reader();
      for (const chunk of [message, bytes, message]) receive(chunk);
      expect(got[0]).toEqual({ id: 1 });
      expect(got).toHaveLength(2);
      expect(got[1]).toMatch(new RegExp(`^rubbish ${bytes.toString('hex').slice(0, 16)}`));
    }),
    { seed: 1 },
  );
});

test.each([
  ['a structured clone that breaks off', framed(serialize({ id: 'a long text' }).subarray(0, 8))],
  ['no structured clone', framed(Buffer.from('hello'))],
  ['longer than any message', Buffer.concat([Buffer.from('b2b\n'), Buffer.from([0xff, 0xff, 0xff, 0xff])])],
])('a message that is %s is rubbish at once', (_, bytes) => {
  const { got, receive } = reader();
  receive(bytes);
  expect(got).toEqual([`rubbish ${bytes.subarray(0, 32).toString('hex')}`]);
});
