// Node's `undici`: `request` and `stream` over one pipelining connection, a pool, and `fetch`, which Node itself is built on.
'use strict';

const { Agent, Client, FormData, Pool, fetch } = require('undici');
const { version } = require('undici/package.json');
const { Readable } = require('node:stream');
const { base, ca, KIB64, MIB, PATH, pattern, run, same, sha256 } = require('./common.js');

const connect = { ca };
const json = async (answer) => answer.body.json();

async function pipelined() {
  const client = new Client(base, { pipelining: 10, connect });
  let connections = 0;
  client.on('connect', () => (connections += 1));
  const answers = await Promise.all(
    Array.from({ length: 100 }, async (_, n) => {
      const answer = await client.request({ method: 'GET', path: `/o/bytes/${n * 10}` });
      return (await answer.body.arrayBuffer()).byteLength;
    }),
  );
  same(answers, Array.from({ length: 100 }, (_, n) => n * 10), 'pipelined answers in their order');
  // Whole answers of its own between those of the endpoint, in the order of the requests.
  const paths = Array.from({ length: 60 }, (_, n) => ['/o/bytes/10', '/nowhere', '/robots.txt', '/o/slow/20', '/o/chunked/70000'][n % 5]);
  const codes = await Promise.all(
    paths.map(async (path) => {
      const answer = await client.request({ method: 'GET', path });
      await answer.body.dump({ limit: MIB });
      return answer.statusCode;
    }),
  );
  same(codes, paths.map((path) => (path === '/nowhere' ? 404 : 200)), 'pipelined statuses');
  same(connections, 1, 'connections for 160 pipelined requests');
  await client.close();
}

async function everyKind() {
  const client = new Client(base, { connect });
  let connections = 0;
  client.on('connect', () => (connections += 1));
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const body = ['POST', 'PUT', 'PATCH'].includes(method) ? 'x'.repeat(1000) : undefined;
    const answer = await client.request({ method, path: '/o/echo', body });
    same([answer.statusCode, answer.headers['x-method']], [200, method], method);
    await answer.body.dump();
  }
  for (const length of [KIB64, MIB]) {
    const data = pattern(length);
    for (const kind of ['bytes', 'chunked']) {
      const answer = await client.request({ method: 'GET', path: `/o/${kind}/${length}` });
      same(sha256(Buffer.from(await answer.body.arrayBuffer())), answer.headers['x-sha256'], `${kind} down`);
      if (kind === 'chunked') same(answer.trailers['x-trailer-sha256'], sha256(data), 'the trailer');
    }
    const pieces = Readable.from((function* () { for (let at = 0; at < length; at += 10000) yield data.subarray(at, at + 10000); })());
    const streamed = await json(await client.request({ method: 'POST', path: '/o/echo', body: pieces }));
    same(streamed.sha256, sha256(data), 'up in chunks');
    const expected = await json(await client.request({ method: 'PUT', path: '/o/echo', body: data }));
    same(expected.sha256, sha256(data), 'up');
  }
  const gzip = await client.request({ method: 'GET', path: '/o/gzip' });
  same(sha256(Buffer.from(await gzip.body.arrayBuffer())), gzip.headers['x-sha256'], 'compressed bytes');
  same((await json(await client.request({ method: 'GET', path: PATH }))).target, PATH, 'the target');
  const headers = Object.fromEntries(Array.from({ length: 90 }, (_, n) => [`x-field-${n}`, 'v'.repeat(200)]));
  const seen = (await json(await client.request({ method: 'GET', path: '/o/echo', headers }))).headers;
  same(Object.keys(seen).filter((name) => name.startsWith('x-field-')).length, 90, 'fields');
  const cookies = await client.request({ method: 'GET', path: '/o/cookies' });
  same(cookies.headers['set-cookie'].length, 5, 'Set-Cookie fields');
  await cookies.body.dump();
  for (const [path, status] of [['/nowhere', 404], ['/nobody/', 503], ['/late/slow/5000', 504]]) {
    const answer = await client.request({ method: 'GET', path });
    same([answer.statusCode, answer.headers['proxy-status'].startsWith('evenkeel')], [status, true], path);
    await answer.body.dump();
  }
  // undici closes after HEAD: it has met servers that send a body to it.
  same(connections, 2, 'connections for all kinds of requests');
  await client.close();
}

async function aborted() {
  const pool = new Pool(base, { connections: 20, connect });
  for (let round = 0; round < 10; round++) {
    const lost = ['/o/slow/3000', '/o/drip/100/20'].map(async (path) => {
      const answer = await pool.request({ method: 'GET', path, signal: AbortSignal.timeout(60) });
      await answer.body.text();
    });
    const ends = await Promise.allSettled(lost);
    same(ends.map((end) => end.status), ['rejected', 'rejected'], 'aborted requests');
    const answer = await pool.request({ method: 'GET', path: '/o/bytes/10' });
    same((await answer.body.text()).length, 10, 'after two aborts');
  }
  const lengths = await Promise.all(
    Array.from({ length: 200 }, async () => (await (await pool.request({ method: 'GET', path: '/o/bytes/5000' })).body.arrayBuffer()).byteLength),
  );
  same(new Set(lengths).size, 1, '200 at once over 20 connections');
  await pool.close();
}

async function fetched() {
  const dispatcher = new Agent({ connect });
  const get = (path, options) => fetch(base + path, { dispatcher, ...options });
  const redirected = await get('/o/redirect/3');
  same([redirected.redirected, (await redirected.json()).target], [true, '/o/echo/redirected'], 'redirects');
  const kept = await (await get('/old', { method: 'POST', body: 'kept' })).json();
  same([kept.method, kept.length], ['POST', 4], 'a body after 308');
  same((await (await get('/o/gzip')).json()).text.length, 45000, 'decoded by fetch');
  same((await get('/o/cookies')).headers.getSetCookie().length, 5, 'Set-Cookie fields');
  const form = new FormData();
  form.append('field', 'Grüße');
  same((await (await get('/o/echo', { method: 'POST', body: form })).json()).length > 100, true, 'a form');
  same((await get('/nowhere')).status, 404, '404');
  await dispatcher.close();
}

run(async () => {
  await pipelined();
  await everyKind();
  await aborted();
  await fetched();
  return `undici ${version}: pipelining 10 over one connection, trailers, aborts, 200 at once, fetch`;
});
