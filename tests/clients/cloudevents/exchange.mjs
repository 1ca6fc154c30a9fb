// SPDX-License-Identifier: MIT
// exchange.mjs — what the SDK for JavaScript makes is posted, and what a hook sends is read
// by the SDK.
//
// usage: node exchange.mjs API INTAKE TOKEN

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { CloudEvent, HTTP } from 'cloudevents';

const [api, intake, token] = process.argv.slice(2);
const got = [];

const server = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += piece;
  got.push(HTTP.toEvent({ headers: request.headers, body }));
  response.end();
}).listen(0, '127.0.0.1');
await once(server, 'listening');

async function call(url, body, headers) {
  const answer = await fetch(url, { method: 'POST', body,
    headers: { Authorization: `token ${token}`, ...headers } });
  const text = await answer.text();
  assert.ok(answer.ok, `${url}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

async function received(n) {
  const until = Date.now() + 60_000;
  while (got.length < n && Date.now() < until) await new Promise((on) => { setTimeout(on, 20); });
  assert.equal(got.length, n);
  return got[n - 1];
}

await call(`${api}/api/orgs/acme/hooks`, JSON.stringify({ organizationName: 'acme', name: 'js',
  displayName: 'js', active: true, format: 'cloudevents', filters: ['js.*'],
  payloadUrl: `http://127.0.0.1:${server.address().port}/in` }), { 'Content-Type': 'application/json' });
await new Promise((on) => { setTimeout(on, 300); });

const make = (id) => new CloudEvent({ id, source: '/js?a=b', type: 'js.made', subject: 'ü 1',
  time: '2026-11-27T09:30:00.000Z', traceid: 'abc', data: { n: [1, 'ö'] } });
let n = 0;
for (const mode of ['structured', 'binary']) {
  const event = make(`id ${mode}`);
  const message = HTTP[mode](event);
  const { id } = await call(`${intake}/api/orgs/acme/events`, message.body, message.headers);
  n += 1;
  const back = await received(n);
  assert.equal(back.id, id);
  for (const name of ['source', 'type', 'subject', 'time', 'traceid', 'data'])
    assert.deepEqual(back[name], event[name], `${mode}: ${name}`);
}
const batch = [make('id one'), make('id two')];
const { ids } = await call(`${intake}/api/orgs/acme/events`, JSON.stringify(batch),
  { 'Content-Type': 'application/cloudevents-batch+json' });
await received(n + 2);
assert.deepEqual(got.slice(n).map((one) => one.id).sort(), ids.sort());
server.close();
server.closeAllConnections();
