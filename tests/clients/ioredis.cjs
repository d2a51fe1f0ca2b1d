// ioredis as its users write it. Run by suite/real_clients.rs with the port as the only argument.
const assert = require('node:assert/strict');
const { Redis } = require('ioredis');

const port = Number(process.argv[2]);
const open = (options = {}) => new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 1, ...options });

const tests = {
  async 'connects without settings'() {
    const redis = open();
    assert.equal(await redis.ping(), 'PONG');
    assert.equal(await redis.set('k', 'v', 'EX', 100), 'OK');
    assert.equal(await redis.get('k'), 'v');
    assert.equal(await redis.get('none'), null);
    redis.disconnect();
  },
  async 'both protocols, any database, a name'() {
    for (const protocol of [2, 3]) {
      const redis = open({ protocol, db: 5, connectionName: 'me' });
      assert.equal(await redis.client('GETNAME'), 'me');
      await redis.hset('h', { a: 1, b: 'two' });
      assert.deepEqual({ ...(await redis.hgetall('h')) }, { a: '1', b: 'two' });
      assert.equal(await redis.hincrby('h', 'a', 4), 5);
      await redis.flushdb();
      redis.disconnect();
    }
  },
  async 'many requests at once keep their order'() {
    const redis = open();
    const replies = await Promise.all([...Array(2000).keys()].map((i) => redis.echo(String(i))));
    assert.deepEqual(replies, [...Array(2000).keys()].map(String));
    const auto = open({ enableAutoPipelining: true });
    await Promise.all([...Array(500).keys()].map((i) => auto.set(`auto${i}`, i)));
    assert.equal(await auto.get('auto499'), '499');
    redis.disconnect();
    auto.disconnect();
  },
  async 'pipelines and transactions'() {
    const redis = open();
    const results = await redis.pipeline().set('p', 1).incr('p').get('none').exec();
    assert.deepEqual(results, [[null, 'OK'], [null, 2], [null, null]]);
    const tx = await redis.multi().set('t', 'x').incr('t').get('t').exec();
    assert.equal(tx[0][1], 'OK');
    assert.match(tx[1][0].message, /value is not an integer/);
    assert.equal(tx[2][1], 'x');
    await redis.watch('t');
    await open({ lazyConnect: false }).set('t', 'changed');
    assert.equal(await redis.multi().get('t').exec(), null);
    redis.disconnect();
  },
  async 'publish and subscribe'() {
    const sub = open();
    const pub = open();
    const got = new Promise((resolve) => sub.on('message', (channel, message) => resolve([channel, message])));
    const matched = new Promise((resolve) => sub.on('pmessage', (...all) => resolve(all)));
    assert.equal(await sub.subscribe('news'), 1);
    assert.equal(await sub.psubscribe('n?ws.*'), 2);
    assert.equal(await pub.publish('news', 'hello'), 1);
    assert.equal(await pub.publish('news.art', 'hi'), 1);
    assert.deepEqual(await got, ['news', 'hello']);
    assert.deepEqual(await matched, ['n?ws.*', 'news.art', 'hi']);
    await sub.unsubscribe('news');
    await sub.punsubscribe('n?ws.*');
    assert.equal(await sub.ping(), 'PONG');
    sub.disconnect();
    pub.disconnect();
  },
  async 'scan streams'() {
    const redis = open({ db: 7 });
    await redis.mset(Object.fromEntries([...Array(500).keys()].map((i) => [`s${i}`, i])));
    const seen = new Set();
    for await (const keys of redis.scanStream({ match: 's*', count: 20 })) keys.forEach((key) => seen.add(key));
    assert.equal(seen.size, 500);
    await redis.flushdb();
    redis.disconnect();
  },
  async 'errors carry the text of the server'() {
    const redis = open();
    await redis.set('text', 'abc');
    await assert.rejects(redis.incr('text'), /ERR value is not an integer or out of range/);
    await assert.rejects(redis.hget('text', 'f'), /WRONGTYPE/);
    await assert.rejects(redis.call('BANANA'), /unknown command 'BANANA'/);
    redis.disconnect();
  },
  async 'binary values'() {
    const redis = open();
    const bytes = Buffer.from([...Array(256).keys()]);
    await redis.set('bin', bytes);
    assert.deepEqual(await redis.getBuffer('bin'), bytes);
    redis.disconnect();
  },
};

(async () => {
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    const cleaner = open();
    await cleaner.flushall();
    cleaner.disconnect();
    try {
      await test();
    } catch (error) {
      failed += 1;
      console.error(`FAILED ${name}:`, error);
    }
  }
  const total = Object.keys(tests).length;
  console.log(`${total - failed} of ${total} passed with ioredis ${require('ioredis/package.json').version}`);
  process.exit(failed ? 1 : 0);
})();
