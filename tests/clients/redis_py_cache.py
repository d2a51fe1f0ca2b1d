"""redis-py with a cache in the client. Run by suite/tracking.rs with the ports of one or more nodes as arguments."""

import sys
import time

import redis
from redis.cache import CacheConfig

PORTS = [int(port) for port in sys.argv[1:]]


def connect(number=0, **options):
    return redis.Redis(host="127.0.0.1", port=PORTS[number % len(PORTS)], decode_responses=True, **options)


def cached(number=0):
    return connect(number, protocol=3, cache_config=CacheConfig())


def eventually(what, test):
    end = time.monotonic() + 20
    while not test():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def test_what_is_read_twice_is_asked_once():
    r, other = cached(), connect(1)
    other.set("k", "1")
    calls = lambda: connect().info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]
    assert r.get("k") == "1"
    before = calls()
    for _ in range(50):
        assert r.get("k") == "1"
    assert calls() == before, "the cache answers"
    assert r.get_cache().size == 1


def test_a_change_by_another_client_is_seen():
    r, other = cached(), connect(1)
    for n in range(200):
        other.set("n", n)
        eventually("the change is seen", lambda: r.get("n") == str(n))
        assert r.get("n") == str(n)


def test_every_type_is_cached_and_forgotten():
    r, other = cached(1), connect(2)
    other.delete("h", "l", "s", "z")
    other.hset("h", "f", "1")
    other.rpush("l", "a")
    other.sadd("s", "a")
    other.zadd("z", {"a": 1})
    read = lambda: (r.hget("h", "f"), r.lrange("l", 0, -1), r.smembers("s"), r.zcard("z"), r.mget("m", "n"))
    read()
    assert r.get_cache().size >= 5
    other.hset("h", "f", "2")
    other.rpush("l", "b")
    other.srem("s", "a")
    other.zadd("z", {"b": 1})
    other.set("m", "x")
    eventually("all is seen", lambda: read()[:4] == ("2", ["a", "b"], set(), 2) and read()[4][0] == "x")


def test_a_flush_empties_the_cache():
    r, other = cached(2), connect()
    other.set("k", "1")
    eventually("it is there", lambda: r.get("k") == "1")
    other.flushall()
    eventually("it is gone", lambda: r.get("k") is None)


def test_own_changes_are_seen_at_once():
    r = cached(1)
    for n in range(100):
        r.set("own", n)
        assert r.get("own") == str(n)
        r.incr("own")
        assert r.get("own") == str(n + 1)


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print(name, "passed")
