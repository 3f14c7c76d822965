import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Json } from '../../src/core/json.ts';

export interface ChatBody {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly max_tokens: number;
  readonly temperature: number;
  readonly [field: string]: Json;
}

export interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: ChatBody;
}

/** Answers one request: with JSON, with a status and more, or by doing what it likes to the response. */
export type Handler = (asked: Asked, response: ServerResponse) => Reply | Promise<Reply | undefined> | undefined;

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text is sent as it is. */
  readonly body?: Json;
}

export interface ChatServer {
  /** Its address, with /v1. */
  readonly url: string;
  /** Every request so far, in the order in which they came. */
  readonly asked: readonly Asked[];
  /** The chat completions among them. */
  chats(): ChatBody[];
  close(): Promise<void>;
}

/** A real HTTP server on this machine: `routes` answer under their paths, everything else is 404. */
export async function chatServer(routes: { readonly [path: string]: Handler | Reply }): Promise<ChatServer> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    void respond(request, response);
  });
  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    const text = await bodyOf(request);
    // `as`: what our own host sends; a GET has none.
    const one: Asked = { path, headers: request.headers, body: (text === '' ? {} : JSON.parse(text)) as ChatBody };
    asked.push(one);
    const route = routes[path] ?? { status: 404, body: { error: 'no such path' } };
    const reply = typeof route === 'function' ? await route(one, response) : route;
    if (!reply) return;
    const { status = 200, headers = {}, body = {} }: Reply = reply;
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // `as`: it listens on a port.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    chats: () => asked.filter(({ path }) => path.endsWith('/chat/completions')).map(({ body }) => body),
    async close() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** A chat completion with this text. */
export const completion = (content: string | null, more: { readonly [field: string]: Json } = {}): Reply => ({
  body: {
    object: 'chat.completion',
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content }, ...more }],
    usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25, prompt_tokens_details: { cached_tokens: 12 } },
  },
});

/** A list with one model, as servers answer /v1/models. */
export const modelList = (model: string, owner: string, more: { readonly [field: string]: Json } = {}): Reply => ({
  body: { object: 'list', data: [{ id: model, object: 'model', created: 0, owned_by: owner, ...more }] },
});
