// An ordinary HTTP server: node, built-in modules only, nothing in it knows Baton. It takes its socket
// as systemd hands one over (LISTEN_FDS, descriptor 3); started by hand it listens on PORT or 8000.
'use strict';
const http = require('http');
const net = require('net');

const version = process.env.BATON_VERSION || '0';
const instance = process.env.BATON_INSTANCE || 'by-hand';
const grace = 2000; // milliseconds of silence after which an idle connection is closed while draining

let draining = false;
const connections = new Map(); // socket -> { requests, active }

const server = http.createServer((request, response) => {
    const state = connections.get(request.socket);
    state.requests += 1;
    response.on('close', () => {
        state.requests -= 1;
        state.active = Date.now();
    });
    response.setHeader('X-Version', version);
    response.setHeader('X-Instance', instance);
    response.setHeader('X-Pid', String(process.pid));

    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
        if (draining) response.shouldKeepAlive = false; // "Connection: close"
        const path = request.url.split('?')[0];
        let body = Buffer.from(`Hello from version ${version}, instance ${instance}, pid ${process.pid}\n`);
        if (path === '/healthz') body = Buffer.from('ok\n');
        if (path === '/echo') body = Buffer.concat(chunks);
        if (!['/', '/healthz', '/echo'].includes(path)) response.statusCode = 404;
        response.setHeader('Content-Length', body.length);
        response.end(body);
    });
});
server.keepAliveTimeout = 75000; // longer than any client's, so that the client is the one who closes

server.on('connection', (socket) => {
    connections.set(socket, { requests: 0, active: Date.now() });
    socket.on('close', () => connections.delete(socket));
});

// A server that drains well cuts nobody: it accepts no more, answers what still arrives with
// "Connection: close", and closes an idle connection only after it has been silent for a while.
// (http.Server's own close() would cut idle connections at once, under the next request.)
function drain() {
    if (draining) process.exit(0);
    draining = true;
    const began = Date.now();
    net.Server.prototype.close.call(server);
    const look = () => {
        for (const [socket, state] of connections) {
            const silent = Date.now() - Math.max(began, state.active) > grace;
            if (silent && state.requests === 0) socket.destroySoon();
        }
        if (connections.size === 0) process.exit(0);
    };
    setInterval(look, 20);
}
process.on('SIGTERM', drain);
process.on('SIGINT', drain);

const inherited = process.env.LISTEN_FDS && process.env.LISTEN_PID === String(process.pid);
const address = inherited ? { fd: 3 } : { host: '127.0.0.1', port: Number(process.env.PORT || 8000) };
server.listen({ ...address, backlog: 1024 }, () => console.log(`version ${version} listens, pid ${process.pid}`));
