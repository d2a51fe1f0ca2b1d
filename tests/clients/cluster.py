"""redis-py's two clients on three nodes: the same script, the same results, on any node, while one of them dies.

Run by suite/real_clients.rs: `cluster.py plain|cluster PORT...`. It says KILL when it is ready for the last node to
die, and goes on when it reads a line. Plain clients use the first nodes, which live.
"""

import sys
import time

import redis
from redis.backoff import ConstantBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

KIND, PORTS = sys.argv[1], [int(port) for port in sys.argv[2:]]
# Of both kinds: a client that waits for an answer of a dead node waits no longer than this.
OPTIONS = {"decode_responses": True, "socket_timeout": 6}


def connect():
    if KIND == "cluster":
        places = [ClusterNode("127.0.0.1", port) for port in PORTS]
        return [RedisCluster(startup_nodes=places, retry=Retry(ConstantBackoff(0.2), 20), **OPTIONS)]
    return [redis.Redis(host="127.0.0.1", port=port, **OPTIONS) for port in PORTS[:2]]


def script(clients, prefix):
    """What an application does, each step by the next client."""
    steps = iter(range(1_000_000))

    def r():
        return clients[next(steps) % len(clients)]

    for number in range(40):
        assert r().set(f"{prefix}:{number}", number)
    for number in range(40):
        assert r().get(f"{prefix}:{number}") == str(number)
    assert r().set(f"{prefix}:ttl", "x", ex=1000)
    assert 990 <= r().ttl(f"{prefix}:ttl") <= 1000
    assert [r().incr(f"{prefix}:n") for _ in range(10)] == list(range(1, 11))
    assert r().hset(f"{prefix}:h", mapping={"a": "1", "b": "2"}) == 2
    assert r().hgetall(f"{prefix}:h") == {"a": "1", "b": "2"}
    tag = "{" + prefix + "}"
    assert r().mset({f"{tag}:a": "1", f"{tag}:b": "2"})
    assert r().mget(f"{tag}:a", f"{tag}:b", f"{tag}:none") == ["1", "2", None]
    with r().pipeline(transaction=True) as pipe:
        pipe.set(f"{tag}:a", "10").incr(f"{tag}:a").get(f"{tag}:b")
        replies = pipe.execute()
        # The cluster client hands out this "OK" as it came.
        assert replies[0] in (True, "OK") and replies[1:] == [11, "2"], replies
    with r().pipeline(transaction=False) as pipe:
        for number in range(100):
            pipe.set(f"{prefix}:p:{number}", number)
            pipe.get(f"{prefix}:p:{number}")
        replies = pipe.execute()
        assert replies[1::2] == [str(number) for number in range(100)], replies
    assert r().delete(f"{tag}:a", f"{tag}:b") == 2
    assert r().exists(f"{tag}:a") == 0
    assert sum(1 for _ in r().scan_iter(match=f"{prefix}:p:*", count=100)) == 100


def patient(call):
    """Until it succeeds: who has lost a node is told so for a moment."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return call()
        except redis.RedisError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


clients = connect()
script(clients, "before")
if KIND == "plain":
    # What INFO says of the mode keeps nobody from the other databases.
    numbered = redis.Redis(host="127.0.0.1", port=PORTS[1], db=5, **OPTIONS)
    assert clients[0].info("server")["redis_mode"] == "cluster"
    assert numbered.set("numbered", "1") and numbered.get("numbered") == "1"
    assert clients[0].get("numbered") is None
print("KILL", flush=True)
sys.stdin.readline()
acknowledged = []
for number in range(300):
    client = clients[number % len(clients)]
    patient(lambda: client.set(f"during:{number}", number))
    acknowledged.append(number)
for number in acknowledged:
    assert patient(lambda: clients[number % len(clients)].get(f"during:{number}")) == str(number)
script(clients, "after")
for number in range(40):
    assert clients[number % len(clients)].get(f"before:{number}") == str(number)
print("DONE", flush=True)
