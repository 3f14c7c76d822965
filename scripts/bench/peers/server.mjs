import { createServer } from 'node:http';

/** A server on this machine that answers POST requests with JSON: `answer(path, body)` gives the content, or null for a path that it lacks. */
export async function serve(answer) {
  const server = createServer(async (request, response) => {
    const text = Buffer.concat(await request.toArray()).toString('utf8');
    const [status, content] = await answer(request.url, JSON.parse(text)).then(
      (found) => [found === undefined ? 404 : 200, found ?? null],
      (error) => [500, { error: error.stack }],
    );
    const body = Buffer.from(JSON.stringify(content));
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  });
  // The peers keep one connection open, also while they think.
  server.keepAliveTimeout = 0;
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
