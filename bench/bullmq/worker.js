// worker.js — signs and posts jobs until it is killed:
// node worker.js SOCKET CONCURRENCY

import { createHmac } from "node:crypto";
import { Worker } from "bullmq";
import IORedis from "ioredis";
import { Pool } from "undici";

const [socket, concurrency] = process.argv.slice(2);
const connection = new IORedis({ path: socket, maxRetriesPerRequest: null });
const secret = "bench-secret";
const pools = new Map(); // by origin

function poolOf(origin) {
  let pool = pools.get(origin);
  if (pool === undefined) {
    pool = new Pool(origin, {
      connections: Number(concurrency),
      pipelining: 1,
      keepAliveTimeout: 60000,
    });
    pools.set(origin, pool);
  }
  return pool;
}

async function deliver(job) {
  const { url, kind, body } = job.data;
  const { origin, pathname } = new URL(url);
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  const answer = await poolOf(origin).request({
    path: pathname,
    method: "POST",
    headers: {
      "content-type": "application/json",
      "pulumi-webhook-id": job.id,
      "pulumi-webhook-kind": kind,
      "pulumi-webhook-signature": signature,
    },
    body,
  });
  await answer.body.dump();
  if (answer.statusCode < 200 || answer.statusCode > 299)
    throw new Error(`status ${answer.statusCode}`);
}

const worker = new Worker("webhooks", deliver, {
  connection,
  concurrency: Number(concurrency),
  removeOnComplete: { count: 0 },
});
worker.on("error", (error) => console.error(error.message));
console.log("ready");
