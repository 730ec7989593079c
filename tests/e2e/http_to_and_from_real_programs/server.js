// What browsers and libraries meet in practice, from node's own HTTP: bodies of any framing are sent back, a
// stream of chunks with trailers, an early answer to an upload, and an upgrade whose bytes are echoed.
const http = require('http');

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://x');
  response.setHeader('X-Instance', process.env.BATON_INSTANCE || '');
  if (url.pathname === '/refuse') {
    response.writeHead(413, { Connection: 'close' });
    return response.end('too large\n');
  }
  if (url.pathname === '/stream') {
    response.writeHead(200, { Trailer: 'X-Count' });
    const count = Number(url.searchParams.get('count'));
    const line = 'x'.repeat(999) + '\n';
    const send = (i) => {
      for (; i < count; i++) {
        if (!response.write(line)) return response.once('drain', () => send(i + 1));
      }
      response.addTrailers({ 'X-Count': String(count) });
      response.end();
    };
    return send(0);
  }
  if (url.pathname === '/headers') {
    response.setHeader('Content-Type', 'application/json');
    return response.end(JSON.stringify(request.headers));
  }
  response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
  request.pipe(response);
});
server.on('upgrade', (request, socket, head) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Instance: ' + process.env.BATON_INSTANCE + '\r\n\r\n');
  if (head.length) socket.write(head);
  socket.pipe(socket);
});
server.listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
