"""redis-py's cluster client where nodes serve only what they lead. Run by suite/redirects.rs with the ports of the nodes."""

import sys

import redis
from redis.cluster import RedisCluster
from redis.exceptions import MovedError

PORTS = [int(port) for port in sys.argv[1:]]

cluster = RedisCluster(host="127.0.0.1", port=PORTS[0], decode_responses=True)
for number in range(200):
    assert cluster.set(f"key:{number}", number)
    assert cluster.get(f"key:{number}") == str(number)
with cluster.pipeline() as pipe:
    for number in range(200):
        pipe.incr(f"key:{number}")
    assert pipe.execute() == list(range(1, 201))
# What a client believes of a slot that has gone elsewhere it is told, and goes there.
for number in range(50):
    key = f"key:{number}"
    slot = cluster.keyslot(key)
    nodes = cluster.nodes_manager.slots_cache[slot]
    cluster.nodes_manager.slots_cache[slot] = nodes[1:] + nodes[:1]
    assert cluster.get(key) == str(number + 1)
try:
    plain = redis.Redis(host="127.0.0.1", port=PORTS[0])
    for number in range(200):
        plain.get(f"key:{number}")
    raise AssertionError("nothing is led elsewhere")
except MovedError as error:
    assert error.port in PORTS[1:], error
