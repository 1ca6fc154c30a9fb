// SPDX-License-Identifier: MIT
// tls_receiver.js — a receiver that speaks HTTP/2 or HTTP/1.1 over TLS, and counts.
//
//   node bench/tls_receiver.js CHAIN KEY h2|http/1.1
//
// Prints its port as JSON. GET /stats and GET /reset are as in receiver.c.

"use strict";

const fs = require("node:fs");
const http2 = require("node:http2");
const https = require("node:https");

const [chain, key, protocol] = process.argv.slice(2);
const options = {
  cert: fs.readFileSync(chain),
  key: fs.readFileSync(key),
  ALPNProtocols: [protocol],
};
const counts = { requests: 0, first_us: 0, last_us: 0, connections: 0 };

function nowUs() {
  return Number(process.hrtime.bigint() / 1000n);
}

function answer(request, response) {
  if (request.method === "GET") {
    if (request.url === "/reset")
      Object.assign(counts, { requests: 0, first_us: 0, last_us: 0, connections: 0 });
    const text = JSON.stringify({ ...counts, distinct: counts.requests });
    response.writeHead(200, { "content-length": Buffer.byteLength(text) });
    response.end(text);
    return;
  }
  request.resume();
  request.on("end", () => {
    counts.last_us = nowUs();
    if (counts.requests++ === 0)
      counts.first_us = counts.last_us;
    response.writeHead(200, { "content-length": 0 });
    response.end();
  });
}

const server = protocol === "h2" ? http2.createSecureServer(options, answer)
  : https.createServer(options, answer);

server.on("secureConnection", () => counts.connections++);
server.on("sessionError", () => {});
server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ ports: [server.address().port] }));
});
