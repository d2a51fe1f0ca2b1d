// node-redis as its users write it. Run by suite/real_clients.rs with the port as the only argument.
const assert = require('node:assert/strict');
const { createClient } = require('redis');

const url = `redis://127.0.0.1:${process.argv[2]}`;

async function open(options = {}) {
  const client = createClient({ url, ...options });
  client.on('error', (error) => console.error('client error', error));
  return client.connect();
}

const tests = {
  async 'connects without settings'() {
    const client = await open();
    assert.equal(await client.ping(), 'PONG');
    assert.equal(await client.set('k', 'v', { expiration: { type: 'EX', value: 100 } }), 'OK');
    assert.equal(await client.get('k'), 'v');
    assert.equal(await client.get('none'), null);
    assert.ok((await client.ttl('k')) > 90);
    client.destroy();
  },
  async 'both protocols, any database, a name'() {
    for (const RESP of [2, 3]) {
      const client = await open({ RESP, database: 4, name: 'me' });
      assert.equal(await client.clientGetName(), 'me');
      assert.equal(await client.hSet('h', { a: '1', b: 'two' }), 2);
      assert.deepEqual({ ...(await client.hGetAll('h')) }, { a: '1', b: 'two' });
      assert.deepEqual(await client.hmGet('h', ['a', 'none']), ['1', null]);
      await client.flushDb();
      client.destroy();
    }
  },
  async 'concurrent commands are pipelined'() {
    const client = await open();
    const replies = await Promise.all([...Array(2000).keys()].map((i) => client.incr('n')));
    assert.deepEqual(replies, [...Array(2000).keys()].map((i) => i + 1));
    client.destroy();
  },
  async 'transactions and watch'() {
    const client = await open();
    assert.deepEqual(await client.multi().set('t', '1').incr('t').get('t').exec(), ['OK', 2, '2']);
    await client.watch('t');
    const other = await open();
    await other.set('t', 'changed');
    await assert.rejects(client.multi().get('t').exec(), /WatchError|watched keys/i);
    client.destroy();
    other.destroy();
  },
  async 'publish and subscribe'() {
    const sub = await open();
    const pub = await open();
    const messages = [];
    let done;
    const all = new Promise((resolve) => (done = resolve));
    const listen = (message, channel) => {
      messages.push(`${channel}:${message}`);
      if (messages.length === 3) done();
    };
    await sub.subscribe('news', listen);
    await sub.pSubscribe('news.*', listen);
    await sub.sSubscribe('sharded', listen);
    assert.equal(await pub.publish('news', 'one'), 1);
    assert.equal(await pub.publish('news.art', 'two'), 1);
    assert.equal(await pub.sPublish('sharded', 'three'), 1);
    await all;
    assert.deepEqual(messages.sort(), ['news.art:two', 'news:one', 'sharded:three']);
    await sub.unsubscribe();
    sub.destroy();
    pub.destroy();
  },
  async 'scan iterators'() {
    const client = await open({ database: 6 });
    await client.mSet(Object.fromEntries([...Array(300).keys()].map((i) => [`s${i}`, String(i)])));
    const seen = new Set();
    for await (const keys of client.scanIterator({ MATCH: 's*', COUNT: 20 })) {
      for (const key of [keys].flat()) seen.add(key);
    }
    assert.equal(seen.size, 300);
    await client.flushDb();
    client.destroy();
  },
  async 'errors carry the text of the server'() {
    const client = await open();
    await client.set('text', 'abc');
    await assert.rejects(client.incr('text'), /value is not an integer or out of range/);
    await assert.rejects(client.hGet('text', 'f'), /WRONGTYPE/);
    await assert.rejects(client.sendCommand(['BANANA']), /unknown command 'BANANA'/);
    client.destroy();
  },
};

(async () => {
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    const cleaner = await open();
    await cleaner.flushAll();
    cleaner.destroy();
    try {
      await test();
    } catch (error) {
      failed += 1;
      console.error(`FAILED ${name}:`, error);
    }
  }
  const total = Object.keys(tests).length;
  console.log(`${total - failed} of ${total} passed with node-redis ${require('redis/package.json').version}`);
  process.exit(failed ? 1 : 0);
})();
