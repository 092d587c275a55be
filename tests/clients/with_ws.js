// WebSocket from Node: `ws`, which speaks frame by frame, and undici's, which is the browser's.
'use strict';

const { WebSocket } = require('ws');
const { Agent, WebSocket: BrowserSocket } = require('undici');
const { base, ca, MIB, pattern, run, same, sha256 } = require('./common.js');

const url = base.replace(/^http/, 'ws') + '/o/ws';
const once = (socket, event) =>
  new Promise((done, failed) => {
    socket.once(event, (...values) => done(values));
    socket.once('error', failed);
  });

async function open(protocols = [], options = {}) {
  const socket = new WebSocket(url, protocols, { ca, ...options });
  await once(socket, 'open');
  return socket;
}

async function ask(socket, message, options = {}) {
  const answer = once(socket, 'message');
  socket.send(message, options);
  return answer;
}

async function oneByOne() {
  for (const perMessageDeflate of [true, false]) {
    const socket = await open(['chat'], { perMessageDeflate });
    same(socket.protocol, 'chat', 'the protocol agreed on');
    same(socket.extensions !== '', perMessageDeflate, 'compression agreed on');
    const [text, isBinary] = await ask(socket, 'Grüße, 世界');
    same([text.toString(), isBinary], ['Grüße, 世界', false], 'text');
    const [binary] = await ask(socket, pattern(MIB));
    same(sha256(binary), sha256(pattern(MIB)), '1 MiB');
    // One message in fragments.
    const answer = once(socket, 'message');
    socket.send('one ', { fin: false });
    socket.send('two ', { fin: false });
    socket.send('three', { fin: true });
    same((await answer)[0].toString(), 'one two three', 'a message in three frames');
    const pong = once(socket, 'pong');
    socket.ping('hello');
    same((await pong)[0].toString(), 'hello', 'a pong');
    same((await ask(socket, 'ping me'))[0].toString(), 'pong are you there', 'a ping from the endpoint');
    const closed = once(socket, 'close');
    socket.send('close 4321');
    const [code, reason] = await closed;
    same([code, reason.toString()], [4321, 'as asked'], 'close code and reason');
  }
}

async function manyAtOnce() {
  const sockets = await Promise.all(Array.from({ length: 100 }, () => open()));
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(sockets.map((socket, n) => ask(socket, `${round} ${n}`)));
    answers.forEach(([text], n) => same(text.toString(), `${round} ${n}`, 'its own answer'));
  }
  // One side is torn down: the others stay.
  sockets[0].terminate();
  same((await ask(sockets[1], 'still'))[0].toString(), 'still', 'after a neighbour broke off');
  await Promise.all(sockets.slice(1).map((socket) => (socket.close(1000), once(socket, 'close'))));
}

async function browsers() {
  const socket = new BrowserSocket(url, { dispatcher: new Agent({ connect: { ca } }) });
  const next = (event) => new Promise((done) => socket.addEventListener(event, done, { once: true }));
  await next('open');
  socket.send('from a browser');
  same((await next('message')).data, 'from a browser', "undici's text");
  socket.send('close 3001');
  same((await next('close')).code, 3001, "undici's close code");
}

run(async () => {
  await oneByOne();
  await manyAtOnce();
  await browsers();
  return `ws ${require('ws/package.json').version} and undici: text, binary, 1 MiB, fragments, pings, close codes, 100 at once`;
});
