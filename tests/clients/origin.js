// The server behind evenkeel in the client tests: Node's own HTTP server and `ws`, so that neither side of evenkeel
// speaks with evenkeel's own code. It says what it saw, and what it sends is a pattern whose checksum it names.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const zlib = require('node:zlib');
const { WebSocketServer } = require('ws');

// With a certificate and its key it speaks TLS.
const [name, port, certificate, key] = process.argv.slice(2);
const PIECE = 16 * 1024;
// What a client may ask for at once; the largest body of the tests is 8 MiB.
const BYTES_MAX = 16 << 20;

const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');

function pattern(length) {
  const data = Buffer.alloc(Math.min(length, BYTES_MAX));
  for (let at = 0; at < data.length; at++) data[at] = (at * 31 + (at >> 8)) & 0xff;
  return data;
}

// Says back what arrived: method, target as it was, fields as they were, length and checksum of the body, trailers.
function echo(request, response) {
  const hash = crypto.createHash('sha256');
  let length = 0;
  request.on('data', (piece) => {
    hash.update(piece);
    length += piece.length;
  });
  request.on('end', () => {
    const body = JSON.stringify({
      served_by: name,
      method: request.method,
      target: request.url,
      version: request.httpVersion,
      // What this server was asked for by TLS.
      server_name: request.socket.servername || null,
      fields: request.rawHeaders,
      headers: request.headers,
      trailers: request.trailers,
      length,
      sha256: hash.digest('hex'),
    });
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-served-by': name,
      'x-method': request.method,
    });
    response.end(body);
  });
}

// A body of known length; a range of it if asked for, and nothing if the client has it.
function bytes(request, response, length) {
  const data = pattern(length);
  const etag = `"${length}"`;
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, { etag });
    return response.end();
  }
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (range) {
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), data.length - 1)];
    response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${data.length}`, 'content-length': to - from + 1 });
    return response.end(data.subarray(from, to + 1));
  }
  response.writeHead(200, { 'content-length': data.length, 'x-sha256': sha256(data), etag });
  return response.end(request.method === 'HEAD' ? undefined : data);
}

// The same without a length, in pieces, and with its checksum once more as a trailer.
function chunked(response, length) {
  const data = pattern(length);
  response.writeHead(200, { trailer: 'x-trailer-sha256', 'x-sha256': sha256(data) });
  for (let at = 0; at < data.length; at += PIECE) response.write(data.subarray(at, at + PIECE));
  response.addTrailers({ 'x-trailer-sha256': sha256(data) });
  response.end();
}

// Compressed already: what stands between must leave it as it is.
function gzip(response) {
  const plain = JSON.stringify({ text: 'evenkeel '.repeat(5000) });
  const data = zlib.gzipSync(plain);
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-encoding': 'gzip',
    'content-length': data.length,
    'x-sha256': sha256(data),
  });
  response.end(data);
}

// A piece every so many milliseconds.
function drip(response, pieces, pauseMs) {
  response.writeHead(200, { 'content-type': 'text/plain' });
  let left = pieces;
  const timer = setInterval(() => {
    if (left-- > 0) return response.write(`piece ${left}\n`);
    clearInterval(timer);
    return response.end();
  }, pauseMs);
  response.on('close', () => clearInterval(timer));
}

function cookies(response) {
  response.writeHead(200, {
    'set-cookie': [
      'a=1; Path=/',
      'b=two; Path=/; HttpOnly',
      'c="three, with a comma"; Path=/; SameSite=Lax',
      'd=4; Path=/; Expires=Thu, 01 Jan 2099 00:00:00 GMT',
      'e=; Path=/',
    ],
    'content-length': 2,
  });
  response.end('ok');
}

function answer(request, response) {
  const url = new URL(request.url, 'http://origin');
  const [, , what, first, second] = url.pathname.split('/');
  const number = Number(first);
  switch (what) {
    case 'bytes':
      return bytes(request, response, number);
    case 'chunked':
      return chunked(response, number);
    case 'gzip':
      return gzip(response);
    case 'cookies':
      return cookies(response);
    case 'redirect':
      response.writeHead(302, { location: number > 1 ? `/o/redirect/${number - 1}` : '/o/echo/redirected', 'content-length': 0 });
      return response.end();
    case 'status':
      response.writeHead(number, number === 204 ? {} : { 'content-length': 0 });
      return response.end();
    case 'slow':
      return setTimeout(() => echo(request, response), number);
    case 'drip':
      return drip(response, number, Number(second));
    default:
      return echo(request, response);
  }
}

const options = { keepAliveTimeout: 75_000, maxHeaderSize: 65536 };
const server = certificate
  ? https.createServer({ ...options, cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, answer)
  : http.createServer(options, answer);
server.on('checkContinue', (request, response) => {
  if (request.headers['x-refuse']) {
    response.writeHead(417, { 'content-length': 0, connection: 'close' });
    return response.end();
  }
  response.writeContinue();
  return answer(request, response);
});

// Says back every message; a few texts are orders.
const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: BYTES_MAX,
  perMessageDeflate: true,
  handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false),
});
sockets.on('connection', (socket) => {
  socket.on('error', () => socket.terminate());
  socket.on('message', (data, isBinary) => {
    const text = isBinary ? '' : data.toString();
    if (text.startsWith('close ')) return socket.close(Number(text.slice(6)), 'as asked');
    if (text === 'ping me') {
      socket.once('pong', (payload) => socket.send(`pong ${payload}`));
      return socket.ping('are you there');
    }
    return socket.send(data, { binary: isBinary });
  });
});
server.on('upgrade', (request, socket, head) => {
  if (request.url.startsWith('/o/ws')) {
    return sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened));
  }
  // A client that offers a protocol which is not spoken here (h2c, say) would have been served as if it had not asked;
  // that it arrives at all is what the tests must see.
  return socket.end('HTTP/1.1 501 Not Implemented\r\nx-upgrade: seen\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
});
server.listen(Number(port), '127.0.0.1');
