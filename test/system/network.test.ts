import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { type AddressInfo, connect, createServer, type NetConnectOpts } from 'node:net';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { allowEndpoint, onNetworkAttempt, watchThisProcess } from '../../src/system/network.ts';

let heard: string[];
let stop: () => void;

beforeAll(watchThisProcess);
beforeEach(() => {
  heard = [];
  stop = onNetworkAttempt((to) => heard.push(to));
});
afterEach(() => stop());

// Set aside for documentation (RFC 5737 and 2606): nobody answers there.
const elsewhere = '192.0.2.1';

/** Tries it and gives up at once. */
const attempt = (where: NetConnectOpts) =>
  connect(where)
    .on('error', () => {})
    .destroy();

test('hears of a connection to another machine, by address or by name', () => {
  attempt({ host: elsewhere, port: 9 });
  attempt({ host: 'models.example', port: 9 });
  attempt({ host: '127.models.example', port: 9 });
  expect(heard).toEqual([elsewhere, 'models.example', '127.models.example']);
});

test('hears of what http, https and fetch try', async () => {
  for (const get of [getHttp, getHttps])
    get({ host: elsewhere, path: '/a' })
      .on('error', () => {})
      .destroy();
  for (const url of [`http://${elsewhere}/`, `https://${elsewhere}/`])
    await expect(fetch(url, { signal: AbortSignal.timeout(200) })).rejects.toThrow();
  expect(heard).toEqual([elsewhere, elsewhere, elsewhere, elsewhere]);
});

test('hears of a datagram', async () => {
  const socket = createSocket('udp4').on('error', () => {});
  socket.send('x', 9, elsewhere, () => socket.close());
  await once(socket, 'close');
  expect(heard).toEqual([elsewhere]);
});

test('does not hear of connections within this machine', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  // `as`: it listens on a port.
  const { port } = server.address() as AddressInfo;
  const client = connect(port, '127.0.0.1').resume();
  await once(client, 'close');
  server.close();
  attempt({ path: '/tmp/no-such-socket' });
  expect(heard).toEqual([]);
});

test('does not hear of an endpoint that the user named, but of another port of its machine and of everything else', async () => {
  const named = '192.0.2.7';
  allowEndpoint(named, 8080);
  await expect(fetch(`http://${named}:8080/v1`, { signal: AbortSignal.timeout(200) })).rejects.toThrow();
  attempt({ host: named, port: 8080 });
  expect(heard).toEqual([]);
  attempt({ host: named, port: 8081 });
  attempt({ host: elsewhere, port: 8080 });
  expect(heard).toEqual([named, elsewhere]);
});

test('does not hear any more after it was told to stop', () => {
  stop();
  attempt({ host: elsewhere, port: 9 });
  expect(heard).toEqual([]);
});
