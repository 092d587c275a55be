// What the Node clients share: where evenkeel is, what the origin's pattern is, and how a client says what it saw.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');

exports.base = process.env.SITE_BASE;
// The authority that vouches for it; undefined without TLS.
exports.ca = process.env.SITE_CA ? fs.readFileSync(process.env.SITE_CA) : undefined;
exports.KIB64 = 64 * 1024;
exports.MIB = 1024 * 1024;
exports.PATH = '/o/echo/caf%C3%A9/%E6%97%A5%E6%9C%AC/a%20b%2Fc?q=a%20b&q=%26%3D&empty=&u=%C3%BC';

exports.sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');

exports.pattern = (length) => {
  const data = Buffer.alloc(length);
  for (let at = 0; at < length; at++) data[at] = (at * 31 + (at >> 8)) & 0xff;
  return data;
};

// Both are equal, or the client ends.
exports.same = (found, wanted, what) => {
  const [f, w] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (f !== w) throw new Error(`${what}: wanted ${w}, found ${f}`);
};

// Runs the client; its last word is one line of what it saw.
exports.run = (client) => {
  client().then(
    (line) => {
      console.log(line);
      process.exit(0);
    },
    (error) => {
      console.error(`FAILED: ${error.stack ?? error}`);
      process.exit(1);
    },
  );
};
