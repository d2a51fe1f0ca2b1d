// ioredis's two clients on three nodes: the same script, the same results, on any node, while one of them dies.
//
// Run by suite/real_clients.rs: `cluster.cjs plain|cluster PORT...`. It says KILL when it is ready for the last node
// to die, and goes on when it reads a line. Plain clients use the first nodes, which live.

const assert = require('node:assert');
const readline = require('node:readline');
const Redis = require('ioredis');

const [kind, ...ports] = process.argv.slice(2);
const places = ports.map((port) => ({ host: '127.0.0.1', port: Number(port) }));

function connect() {
  const clients =
    kind === 'cluster' ? [new Redis.Cluster(places)] : places.slice(0, 2).map((place) => new Redis(place));
  // Said by the commands themselves as well.
  clients.forEach((client) => client.on('error', () => {}));
  return clients;
}

async function script(clients, prefix) {
  let step = 0;
  const r = () => clients[step++ % clients.length];
  for (let n = 0; n < 40; n++) assert.equal(await r().set(`${prefix}:${n}`, n), 'OK');
  for (let n = 0; n < 40; n++) assert.equal(await r().get(`${prefix}:${n}`), String(n));
  for (let n = 1; n <= 10; n++) assert.equal(await r().incr(`${prefix}:n`), n);
  assert.equal(await r().hset(`${prefix}:h`, { a: 1, b: 2 }), 2);
  assert.deepEqual(await r().hgetall(`${prefix}:h`), { a: '1', b: '2' });
  const tag = `{${prefix}}`;
  await r().mset(`${tag}:a`, 1, `${tag}:b`, 2);
  assert.deepEqual(await r().mget(`${tag}:a`, `${tag}:b`, `${tag}:none`), ['1', '2', null]);
  const exec = await r().multi().set(`${tag}:a`, 10).incr(`${tag}:a`).get(`${tag}:b`).exec();
  assert.deepEqual(exec, [[null, 'OK'], [null, 11], [null, '2']]);
  const many = await Promise.all(Array.from({ length: 200 }, (_, n) => r().set(`${prefix}:p:${n}`, n)));
  assert.ok(many.every((reply) => reply === 'OK'));
  assert.equal(await r().del(`${tag}:a`, `${tag}:b`), 2);
}

// Until it succeeds: who has lost a node is told so for a moment.
async function patient(call) {
  let last;
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      return await call();
    } catch (error) {
      last = error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw last;
}

async function main() {
  const clients = connect();
  await script(clients, 'before');
  if (kind === 'plain') {
    // What INFO says of the mode keeps nobody from the other databases.
    const numbered = new Redis({ ...places[1], db: 5 });
    assert.equal(await numbered.set('numbered', 1), 'OK');
    assert.equal(await clients[0].get('numbered'), null);
    numbered.disconnect();
  }
  console.log('KILL');
  const lines = readline.createInterface({ input: process.stdin });
  await new Promise((resolve) => lines.once('line', resolve));
  lines.close();
  for (let n = 0; n < 300; n++) await patient(() => clients[n % clients.length].set(`during:${n}`, n));
  for (let n = 0; n < 300; n++) {
    assert.equal(await patient(() => clients[n % clients.length].get(`during:${n}`)), String(n));
  }
  await script(clients, 'after');
  for (let n = 0; n < 40; n++) assert.equal(await clients[n % clients.length].get(`before:${n}`), String(n));
  clients.forEach((client) => client.disconnect());
  console.log('DONE');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
