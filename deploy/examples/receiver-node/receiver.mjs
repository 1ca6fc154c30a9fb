#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// receiver — takes deliveries of a hook with a secret, each event once.
//
//   npm ci
//   WEBHOOK_SECRET=whsec_… PORT=9000 ./receiver.mjs
//
// The secret is the hook's. Ids are remembered in memory here; a receiver whose work must not
// be done twice after a restart stores them together with that work, as the one in Python does.

import { createServer } from "node:http";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const BODY_MAX = 1024 * 1024;
const REMEMBERED = 100000;

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const seen = new Set();

function work(kind, event) {
  console.log(kind, JSON.stringify(event));
}

function take(id, kind, event) {
  if (seen.has(id)) return;
  work(kind, event);
  seen.add(id);
  if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
}

// The bytes as they came: JSON that was read and written again differs. null: too many.
async function bodyOf(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > BODY_MAX) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const server = createServer(async (request, response) => {
  const body = await bodyOf(request);
  if (body === null) {
    response.writeHead(413, { Connection: "close" }).end();
    return;
  }
  try {
    const event = webhook.verify(body, request.headers);
    take(request.headers["webhook-id"], request.headers["pulumi-webhook-kind"], event);
    response.writeHead(204).end();
  } catch (fault) {
    if (!(fault instanceof WebhookVerificationError)) console.error(fault);
    response.writeHead(fault instanceof WebhookVerificationError ? 401 : 500).end();
  }
});
server.listen(Number(process.env.PORT ?? 9000), "127.0.0.1");
