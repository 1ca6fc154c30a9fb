// producer.js — adds N jobs of one payload each: node producer.js SOCKET N URL
// prints {"jobs":N,"seconds":…}.

import { Queue } from "bullmq";
import IORedis from "ioredis";

const [socket, count, url] = process.argv.slice(2);
const total = Number(count);
const chunk = 1000;
const connection = new IORedis({ path: socket, maxRetriesPerRequest: null });
const queue = new Queue("webhooks", { connection });

// The same 1 KB body as the generator's, with the job's number in it.
function bodyOf(seq) {
  const stamp = `${"0".repeat(20)}-${String(seq).padStart(12, "0")}`;
  const head = `{"bench":"${stamp}","projectName":"shop","stackName":"s000",` +
    `"kind":"update","result":"succeeded","pad":"`;
  return head + "x".repeat(1024 - head.length - 2) + `"}`;
}

const start = process.hrtime.bigint();
for (let seq = 0; seq < total; seq += chunk) {
  const jobs = [];
  for (let i = seq; i < Math.min(seq + chunk, total); i++) {
    jobs.push({
      name: "stack_update",
      data: { url, kind: "stack_update", body: bodyOf(i) },
      opts: {
        attempts: 12,
        backoff: { type: "exponential", delay: 5000 },
        removeOnComplete: true, // no history: it would only be slower
      },
    });
  }
  await queue.addBulk(jobs);
}
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
console.log(JSON.stringify({ jobs: total, seconds }));
await queue.close();
await connection.quit();
