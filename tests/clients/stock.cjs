// ioredis's two clients as they come, no setting changed, in use while one of three nodes dies: what their users notice.
//
// Run by suite/real_clients.rs: `stock.cjs plain|cluster PORT...`. It says KILL when its clients are at work, and goes on
// for a while when it reads a line. Plain clients use the first nodes, which live; of the others one begins at the last.

const assert = require('node:assert');
const readline = require('node:readline');
const Redis = require('ioredis');

const [kind, ...ports] = process.argv.slice(2);
// Each client makes so many rounds before the node dies, and so many after it.
const ROUNDS = 300;
let isKilled = false;

function connect(port) {
  const place = { host: '127.0.0.1', port: Number(port) };
  const client = kind === 'cluster' ? new Redis.Cluster([place]) : new Redis(place);
  // Said by the commands themselves as well.
  client.on('error', () => {});
  return client;
}

async function use(name, port, atWork) {
  const client = connect(port);
  const complaints = [];
  const ask = async (...words) => {
    try {
      return await client.call(...words);
    } catch (error) {
      complaints.push(`${words}: ${error}`);
      return undefined;
    }
  };
  for (let number = 1, left = 0; !isKilled || left < ROUNDS; number++, left += isKilled ? 1 : 0) {
    const key = `${name}:${number % 100}`;
    const isSet = (await ask('SET', key, number)) === 'OK';
    const found = await ask('GET', key);
    if (isSet && found !== String(number)) complaints.push(`GET ${key}: ${found}, not ${number}`);
    if (number === ROUNDS) atWork();
  }
  client.disconnect();
  return complaints;
}

async function main() {
  const places = kind === 'cluster' ? [ports[0], ports.at(-1)] : ports.slice(0, 2);
  const atWork = [];
  const users = places.map((port, n) => {
    let begun;
    atWork.push(new Promise((resolve) => (begun = resolve)));
    return use(`user-${n}`, port, begun);
  });
  await Promise.all(atWork);
  console.log('KILL');
  const lines = readline.createInterface({ input: process.stdin });
  await new Promise((resolve) => lines.once('line', resolve));
  lines.close();
  isKilled = true;
  for (const complaints of await Promise.all(users)) {
    // Of what a plain client had under way nobody knows what became of it; that is one write, and is said.
    const isUnknown = complaints.length === 1 && complaints[0].includes('UNKNOWNOUTCOME');
    if (!(kind === 'plain' && isUnknown)) assert.deepEqual(complaints, []);
  }
  console.log('DONE');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
