"""redis-py as its users write it. Run by suite/real_clients.rs with the port as the only argument."""

import sys
import threading
import uuid

import redis

PORT = int(sys.argv[1])


def connect(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, **options)


def test_default_connection_works_without_settings():
    r = connect()
    assert r.ping()
    assert r.set("greeting", "hello")
    assert r.get("greeting") == b"hello"
    assert r.get("none") is None


def test_values_travel_as_dumps():
    r = connect()
    r.zadd("z", {"a": 1, "b": 2.5})
    payload = r.dump("z")
    assert r.dump("none") is None
    assert r.restore("copy", 100_000, payload)
    assert 90_000 < r.pttl("copy") <= 100_000
    assert r.zrange("copy", 0, -1, withscores=True) == r.zrange("z", 0, -1, withscores=True)
    try:
        r.restore("copy", 0, payload)
        raise AssertionError("the key is there")
    except redis.ResponseError as error:
        assert "BUSYKEY" in str(error)
    assert r.restore("copy", 0, payload, replace=True)
    assert r.pttl("copy") == -1


def test_strings_are_compared_before_they_change():
    r = connect(decode_responses=True)
    r.set("lock", "mine")
    digest = r.execute_command("DIGEST", "lock")
    assert len(digest) == 16
    assert r.execute_command("SET", "lock", "other", "IFNE", "mine") is None
    assert r.execute_command("SET", "lock", "mine too", "IFDEQ", digest)
    assert r.execute_command("DELEX", "lock", "IFEQ", "mine") == 0
    assert r.execute_command("DELIFEQ", "lock", "mine too") == 1
    assert r.execute_command("MSETEX", 2, "{t}a", "1", "{t}b", "2", "NX", "EX", 100) == 1
    assert 90 < r.ttl("{t}b") <= 100


def test_fields_of_hashes_expire():
    r = connect(decode_responses=True)
    r.hset("fields", mapping={"a": "1", "b": "2", "c": "3"})
    assert r.hexpire("fields", 100, "a", "none") == [1, -2]
    assert 90 < r.httl("fields", "a")[0] <= 100
    assert r.hpexpire("fields", 100_000, "a", nx=True) == [0]
    assert r.hpexpireat("fields", 33177117420000, "b") == [1]
    assert r.hexpiretime("fields", "b", "c") == [33177117420, -1]
    assert r.hpersist("fields", "a", "b", "c") == [1, 1, -1]
    assert r.hgetex("fields", "a", px=100_000) == ["1"]
    assert 90_000 < r.hpttl("fields", "a")[0] <= 100_000
    assert r.hgetdel("fields", "a") == ["1"]
    assert r.hsetex("fields", "d", "4", ex=100) == 1
    assert r.hexpire("fields", 0, "b", "c", "d") == [2, 2, 2]
    assert r.exists("fields") == 0


def test_strings_with_every_option():
    r = connect(decode_responses=True)
    assert r.set("k", "v", ex=100)
    assert 99 <= r.ttl("k") <= 100
    assert r.set("k", "w", keepttl=True)
    assert r.ttl("k") > 90
    assert r.set("k", "x", nx=True) is None
    assert r.set("k", "x", xx=True, get=True) == "w"
    assert r.mset({"a": "1", "b": "2"})
    assert r.mget("a", "none", "b") == ["1", None, "2"]
    assert r.incr("n", 5) == 5 and r.decr("n") == 4
    assert r.incrbyfloat("f", 0.1) == 0.1
    assert r.increx("n", ubound=5, ex=100, enx=True) == [5, 1]
    assert r.increx("n", ubound=5) == [5, 0] and r.increx("n", byint=9, ubound=7, saturate=True) == [7, 2]
    assert [float(number) for number in r.increx("f", byfloat=0.5)] == [0.6, 0.5]
    assert r.append("k", "yz") == 3
    assert r.getrange("k", 0, 1) == "xy"
    assert r.getdel("k") == "xyz"
    assert r.setrange("pad", 3, "x") == 4
    assert r.lcs("a", "b") == ""
    assert r.delete("a", "b", "none") == 2


def test_sets():
    r = connect(decode_responses=True)
    assert r.sadd("s", "a", "b", "c") == 3
    assert r.smembers("s") == {"a", "b", "c"}
    assert r.sismember("s", "a") and r.smismember("s", ["a", "x"]) == [1, 0]
    r.sadd("t", "b", "c", "d")
    assert r.sinter("s", "t") == {"b", "c"} and r.sintercard(2, ["s", "t"], limit=1) == 1
    assert r.sunionstore("{s}u", "s") == 3 and r.sdiff("s", "t") == {"a"}
    assert r.sunioncard(2, ["s", "t"]) == 4 and r.sunioncard(2, ["s", "t"], limit=2) == 2
    assert r.sdiffcard(2, ["s", "t"]) == 1
    assert r.spop("s") in {"a", "b", "c"} and r.scard("s") == 2
    assert sorted(r.sscan_iter("t")) == ["b", "c", "d"]
    assert len(r.spop("t", 5)) == 3 and not r.exists("t")


def test_lists():
    r = connect(decode_responses=True)
    assert r.rpush("l", "b", "c") == 2 and r.lpush("l", "a") == 3
    assert r.lrange("l", 0, -1) == ["a", "b", "c"] and r.llen("l") == 3
    assert r.lindex("l", -1) == "c" and r.lpos("l", "b") == 1 and r.lpos("l", "x") is None
    assert r.linsert("l", "AFTER", "c", "d") == 4 and r.lset("l", 0, "A") is True
    assert r.lmove("l", "{l}other", "LEFT", "RIGHT") == "A" and r.rpoplpush("l", "{l}other") == "d"
    assert r.lmpop(2, "{l}none", "l", direction="RIGHT", count=2) == ["l", ["c", "b"]]
    assert r.rpop("l") is None and r.lpop("l", 2) is None
    assert r.lpop("{l}other", 2) == ["d", "A"] and not r.exists("{l}other")
    r.rpush("l", *range(1000))
    assert r.lmovem("l", "l", count=2, ordering="OBO") == ["0", "1"]
    assert r.lmovem("none", "l") is None
    assert r.lmovem("l", "l", src="RIGHT", dest="LEFT", count=2, mode="EXACTLY", ordering="BULK") == ["0", "1"]
    assert r.ltrim("l", 10, -11) is True and r.llen("l") == 980 and r.lrem("l", 0, "500") == 1


def test_waiting_for_lists_and_sorted_sets():
    r = connect(decode_responses=True)
    assert r.blpop("never", timeout=0.05) is None
    assert r.blmove("never", "other", timeout=0.05) is None
    assert r.blmovem("never", "other", 0.05, count=2, mode="EXACTLY", ordering="BULK") is None
    got = {}

    def take(name, call):
        got[name] = call(connect(decode_responses=True))

    calls = {
        "list": lambda c: c.blpop(["wait:a", "wait:b"], timeout=20),
        "move": lambda c: c.blmove("{wait}from", "{wait}to", timeout=20),
        "several": lambda c: c.blmpop(20, 2, "wait:c", "wait:d", direction="LEFT", count=2),
        "least": lambda c: c.bzpopmin("wait:z", timeout=20),
        "most": lambda c: c.bzmpop(20, 1, ["wait:y"], max=True, count=2),
    }
    threads = [threading.Thread(target=take, args=call) for call in calls.items()]
    for thread in threads:
        thread.start()
    while r.info("clients")["blocked_clients"] < len(threads):
        pass
    r.rpush("wait:b", "x")
    r.rpush("{wait}from", "v")
    r.rpush("wait:d", 1, 2, 3)
    r.zadd("wait:z", {"m": 1.5})
    r.zadd("wait:y", {"a": 1, "b": 2, "c": 3})
    for thread in threads:
        thread.join()
    assert got["list"] == ("wait:b", "x") or got["list"] == ["wait:b", "x"]
    assert got["move"] == "v" and r.lrange("{wait}to", 0, -1) == ["v"]
    assert got["several"] == ["wait:d", ["1", "2"]]
    assert list(got["least"]) == ["wait:z", "m", 1.5]
    assert got["most"][0] == "wait:y" and len(got["most"][1]) == 2
    assert r.zrange("wait:y", 0, -1) == ["a"]


def test_sorted_sets():
    for protocol in (2, 3):
        r = connect(protocol=protocol, decode_responses=True)
        r.delete("z", "{z}other", "{z}to")
        pair = list if protocol == 3 else tuple
        assert r.zadd("z", {"a": 1, "b": 2.5, "c": 3}) == 3 and r.zadd("z", {"a": 0.5, "d": 9}, nx=True) == 1
        assert r.zadd("z", {"a": 5}, incr=True) == 6.0 and r.zadd("z", {"a": 1}, gt=True, ch=True) == 0
        assert r.zrange("z", 0, -1) == ["b", "c", "a", "d"] and r.zcard("z") == 4
        assert r.zrange("z", 0, 1, desc=True, withscores=True) == [pair(("d", 9.0)), pair(("a", 6.0))]
        assert r.zrangebyscore("z", "(2.5", "+inf", start=0, num=2) == ["c", "a"]
        assert r.zscore("z", "b") == 2.5 and r.zmscore("z", ["b", "x"]) == [2.5, None]
        assert r.zrank("z", "a") == 2 and r.zrevrank("z", "a") == 1 and r.zincrby("z", -1, "b") == 1.5
        assert r.zrank("z", "a", withscore=True) == [2, 6.0]
        assert r.zcount("z", 1, 6) == 3 and r.zlexcount("z", "-", "+") == 4
        r.zadd("{z}other", {"a": 1, "x": 2})
        assert r.zinter(["z", "{z}other"], withscores=True) == [pair(("a", 7.0))]
        assert r.zunionstore("{z}to", {"z": 1, "{z}other": 10}, aggregate="MAX") == 5
        assert r.zscore("{z}to", "a") == 10.0 and r.zdiff(["z", "{z}other"]) == ["b", "c", "d"]
        assert dict(r.zscan_iter("{z}other")) == {"a": 1.0, "x": 2.0}
        # What redis-py makes of a pair without an array of its own differs.
        assert r.zpopmin("z") == ([("b", 1.5)] if protocol == 2 else ["b", 1.5])
        assert r.zmpop(2, ["{z}none", "z"], max=True, count=1) == ["z", [["d", "9" if protocol == 2 else 9.0]]]
        assert r.zremrangebyscore("z", "-inf", "inf") == 2 and not r.exists("z")


def test_bitmaps():
    r = connect(decode_responses=True)
    assert r.setbit("b", 7, 1) == 0 and r.setbit("b", 7, 1) == 1 and r.getbit("b", 7) == 1 and r.getbit("b", 9) == 0
    r.set("{b}f", "foobar")
    assert r.bitcount("{b}f") == 26 and r.bitcount("{b}f", 1, 1) == 6 and r.bitcount("{b}f", 5, 30, "BIT") == 17
    assert r.bitpos("{b}f", 1) == 1 and r.bitpos("{b}f", 0, 1, -1) == 8 and r.bitpos("{b}f", 1, 8, 15, "BIT") == 9
    assert r.bitop("XOR", "{b}to", "b", "{b}f") == 6 and r.get("{b}to") == "goobar"
    assert r.bitop("NOT", "{b}to", "{b}none") == 0 and not r.exists("{b}to")
    field = r.bitfield("{b}n", default_overflow="SAT")
    assert field.set("u8", "#1", 250).incrby("u8", "#1", 10).get("i4", 8).execute() == [0, 255, -1]
    assert r.bitfield("{b}n").incrby("u8", 8, 1, overflow="FAIL").execute() == [None]
    assert r.bitfield_ro("{b}n", "u8", 8, [("u4", 0)]) == [255, 0]


def test_geo():
    for protocol in (2, 3):
        r = connect(decode_responses=True, protocol=protocol)
        r.delete("{g}", "{g}to")
        assert r.geoadd("{g}", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")) == 2
        assert r.geodist("{g}", "Palermo", "Catania", unit="km") == 166.2742
        assert r.geohash("{g}", "Palermo", "none") == ["sqc8b49rny0", None]
        # redis-py makes a tuple of a position in RESP2, and a list in RESP3.
        at, absent = r.geopos("{g}", "Palermo", "none")
        assert tuple(at) == (13.361389338970184, 38.1155563954963) and absent is None
        assert r.geosearch("{g}", longitude=15, latitude=37, radius=200, unit="km", sort="ASC") == ["Catania", "Palermo"]
        assert r.geosearch("{g}", member="Palermo", width=400, height=400, unit="km", count=1, withdist=True) == [["Palermo", 0.0]]
        assert r.geosearchstore("{g}to", "{g}", longitude=15, latitude=37, radius=100, unit="km") == 1
        assert r.georadius("{g}", 15, 37, 200, unit="km", sort="DESC", withhash=True)[0] == ["Palermo", 3479099956230698]
        assert r.georadiusbymember("{g}", "Palermo", 200, unit="km", store="{g}to") == 2 and r.zcard("{g}to") == 2


def test_hyperloglogs():
    r = connect(decode_responses=True)
    assert r.pfadd("{p}1", "a", "b", "c") == 1 and r.pfadd("{p}1", "a") == 0 and r.pfadd("{p}2", "c", "d") == 1
    assert r.pfcount("{p}1") == 3 and r.pfcount("{p}1", "{p}2") == 4
    assert r.pfmerge("{p}to", "{p}1", "{p}2") and r.pfcount("{p}to") == 4
    raw = connect()
    assert raw.get("{p}to").startswith(b"HYLL\x01") and raw.set("{p}copy", raw.get("{p}to")) and raw.pfcount("{p}copy") == 4


def test_sort():
    r = connect(decode_responses=True)
    r.rpush("l", 3, 1, 2)
    r.mset({"w_1": 3, "w_2": 2, "w_3": 1, "n_1": "one", "n_2": "two"})
    assert r.sort("l") == ["1", "2", "3"] and r.sort("l", desc=True, start=0, num=1) == ["3"]
    assert r.sort("l", by="w_*", get=["#", "n_*"], groups=True) == [("3", None), ("2", "two"), ("1", "one")]
    assert r.sort("l", by="w_*", store="to") == 3 and r.lrange("to", 0, -1) == ["3", "2", "1"]
    assert r.sort_ro("l", alpha=True, get="n_*") == ["one", "two", None]


def test_hashes():
    r = connect(decode_responses=True)
    assert r.hset("h", mapping={"name": "Ada", "age": 36}) == 2
    assert r.hgetall("h") == {"name": "Ada", "age": "36"}
    assert r.hmget("h", ["name", "none"]) == ["Ada", None]
    assert r.hincrby("h", "age") == 37
    assert r.hexists("h", "name") and not r.hexists("h", "none")
    assert sorted(r.hkeys("h")) == ["age", "name"]
    assert dict(r.hscan_iter("h")) == {"name": "Ada", "age": "37"}
    assert r.hrandfield("h") in ("name", "age")
    assert r.hdel("h", "name", "age") == 2
    assert r.hgetall("h") == {}


def test_both_protocols_and_all_databases():
    for protocol in (2, 3):
        for db in (0, 1, 15):
            r = connect(protocol=protocol, db=db, decode_responses=True, client_name=f"client-{db}")
            r.flushdb()
            r.hset("h", "f", "v")
            assert r.hgetall("h") == {"f": "v"}
            assert r.client_getname() == f"client-{db}"
            assert r.dbsize() == 1
            r.flushdb()


def test_scan_iter_sees_every_key():
    r = connect(decode_responses=True, db=3)
    names = {f"scan:{i}" for i in range(1000)}
    r.mset({name: "v" for name in names})
    assert set(r.scan_iter(match="scan:*", count=50)) == names
    assert set(r.keys("scan:*")) == names
    r.flushdb()


def test_pipelines_and_transactions():
    r = connect(decode_responses=True)
    pipe = r.pipeline(transaction=False)
    for i in range(1000):
        pipe.set(f"p{i}", i)
        pipe.get(f"p{i}")
    replies = pipe.execute()
    assert replies[1::2] == [str(i) for i in range(1000)]
    with r.pipeline() as tx:
        tx.multi()
        tx.incr("tx")
        tx.hset("txh", "f", "v")
        assert tx.execute() == [1, 1]

    def move(pipe):
        current = int(pipe.get("tx"))
        pipe.multi()
        pipe.set("tx", current + 10)

    assert r.transaction(move, "tx") == [True]
    assert r.get("tx") == "11"
    try:
        with r.pipeline() as tx:
            tx.watch("tx")
            connect().set("tx", 0)
            tx.multi()
            tx.set("tx", 99)
            tx.execute()
        raise AssertionError("a changed key was not noticed")
    except redis.WatchError:
        pass


def test_pubsub():
    r = connect(decode_responses=True)
    got = []
    sub = r.pubsub(ignore_subscribe_messages=True)
    sub.subscribe(**{"news": got.append})
    sub.psubscribe("news.*")
    while r.pubsub_numsub("news") != [("news", 1)]:
        sub.get_message(timeout=0.01)
    assert r.publish("news", "one") == 1
    assert r.publish("news.sport", "two") == 1
    messages = []
    for _ in range(200):
        message = sub.get_message(timeout=0.1)
        if message:
            messages.append(message)
        if got and messages:
            break
    assert got[0]["data"] == "one"
    assert messages[0]["data"] == "two" and messages[0]["pattern"] == "news.*"
    sub.close()


def test_pubsub_thread():
    r = connect(decode_responses=True)
    arrived = threading.Event()
    sub = r.pubsub()
    sub.subscribe(**{"thread": lambda message: arrived.set()})
    thread = sub.run_in_thread(sleep_time=0.01)
    for _ in range(500):
        r.publish("thread", "x")
        if arrived.wait(0.01):
            break
    thread.stop()
    thread.join()
    assert arrived.is_set()


def test_lock():
    r = connect()
    # redis-py's own lock runs scripts; the plain form of the recipe needs none.
    token = str(uuid.uuid4())
    assert r.set("lock", token, nx=True, px=10_000)
    assert r.set("lock", "other", nx=True) is None
    assert r.get("lock").decode() == token


def test_errors_are_those_of_redis():
    r = connect()
    r.set("text", "abc")
    for call, kind, text in [
        (lambda: r.incr("text"), redis.ResponseError, "value is not an integer or out of range"),
        (lambda: r.hget("text", "f"), redis.ResponseError, "WRONGTYPE Operation against a key"),
        (lambda: r.execute_command("BANANA"), redis.ResponseError, "unknown command 'BANANA'"),
        (lambda: r.rename("no-such-key", "x"), redis.ResponseError, "no such key"),
    ]:
        try:
            call()
            raise AssertionError(f"no error: {text}")
        except kind as error:
            assert text in str(error), error


def test_introspection():
    r = connect(decode_responses=True)
    info = r.info()
    assert info["loading"] == 0 and info["role"] == "master" and info["redis_version"].startswith("7")
    assert any(int(client["id"]) == r.client_id() for client in r.client_list())
    assert "maxclients" in r.config_get("max*")
    assert isinstance(r.time(), tuple)
    assert r.command_count() > 80
    assert "get" in r.command()
    assert r.memory_usage("none") is None
    r.set("big", "x" * 1000)
    assert r.memory_usage("big") > 1000
    assert r.object("encoding", "big") == "raw"
    assert r.slowlog_len() >= 0
    r.slowlog_reset()


def test_expiry():
    r = connect(decode_responses=True)
    r.set("e", "v")
    assert r.expire("e", 1000, nx=True) and not r.expire("e", 2000, nx=True)
    assert r.pexpireat("e", 33177117420000)
    assert r.expiretime("e") == 33177117420
    assert r.persist("e") and r.ttl("e") == -1
    assert r.expire("e", -1) and not r.exists("e")


def test_async_client():
    import asyncio
    import redis.asyncio

    async def work():
        r = redis.asyncio.Redis(host="127.0.0.1", port=PORT, decode_responses=True)
        await asyncio.gather(*(r.set(f"a{i}", i) for i in range(100)))
        values = await asyncio.gather(*(r.get(f"a{i}") for i in range(100)))
        assert values == [str(i) for i in range(100)]
        async with r.pipeline(transaction=True) as pipe:
            assert await pipe.incr("async").incr("async").execute() == [1, 2]
        async with r.pubsub() as sub:
            await sub.subscribe("async-channel")
            assert (await sub.get_message(timeout=5))["type"] == "subscribe"
            await r.publish("async-channel", "hi")
            message = await sub.get_message(ignore_subscribe_messages=True, timeout=5)
            assert message["data"] == "hi"
        await r.aclose()

    asyncio.run(work())


def test_users():
    root = connect(decode_responses=True)
    assert root.acl_whoami() == "default"
    assert "read" in root.acl_cat() and "get" in root.acl_cat("read")
    root.acl_setuser(
        "reader",
        enabled=True,
        passwords=["+sesame"],
        categories=["+@read"],
        commands=["+set", "-keys"],
        keys=["app:*"],
        channels=["news"],
        selectors=[("+del", "~tmp:*")],
    )
    user = root.acl_getuser("reader")
    assert user["enabled"] and user["keys"] == ["~app:*"] and user["channels"] == ["&news"], user
    assert len(user["passwords"]) == 1 and len(user["selectors"]) == 1, user
    assert root.acl_users() == ["default", "reader"]
    assert any(line.startswith("user reader on ") for line in root.acl_list())
    reader = connect(username="reader", password="sesame", decode_responses=True)
    reader.set("app:1", "x")
    assert reader.get("app:1") == "x"
    assert reader.delete("tmp:1") == 0
    for forbidden in (lambda: reader.get("other"), lambda: reader.keys("*"), lambda: reader.delete("app:1")):
        try:
            forbidden()
        except redis.exceptions.NoPermissionError:
            continue
        raise AssertionError("it was allowed")
    assert root.acl_dryrun("reader", "get", "app:1") == "OK"
    log = root.acl_log()
    assert {entry["reason"] for entry in log} == {"key", "command"}, log
    assert log[0]["username"] == "reader" and log[0]["client-info"]["user"] == "reader", log
    try:
        connect(username="reader", password="wrong").ping()
        raise AssertionError("a wrong password was right")
    except redis.exceptions.AuthenticationError:
        pass
    assert len(root.acl_genpass()) == 64
    assert root.acl_deluser("reader") == 1
    assert root.acl_log_reset()


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    failed = []
    for name, test in tests:
        connect().flushall()
        try:
            test()
        except Exception as error:  # noqa: BLE001 - every failure is told with its name
            import traceback

            traceback.print_exc()
            failed.append(name)
            print(f"FAILED {name}: {error!r}", file=sys.stderr)
    print(f"{len(tests) - len(failed)} of {len(tests)} passed with redis-py {redis.__version__}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
