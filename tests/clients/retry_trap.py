"""redis-py's cluster client as it comes, on connections that are cut before their answers and nodes that are killed.

Run by suite/chaos/retry_trap.rs: `retry_trap.py REAL:PROXY...`, ports of nodes and of what stands before them. It pushes
words, each once as far as it knows, until it reads a line; then it says how many calls succeeded and how many failed.
"""

import sys
import threading

from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException, RedisError

PORTS = dict(tuple(map(int, pair.split(":"))) for pair in sys.argv[1:])
THREADS, KEYS = 6, 16
stop = threading.Event()
succeeded, failed = [0] * THREADS, [0] * THREADS


def remap(address):
    host, port = address
    return host, PORTS.get(port, port)


def connect():
    places = [ClusterNode("127.0.0.1", port) for port in PORTS.values()]
    return RedisCluster(startup_nodes=places, address_remap=remap, socket_timeout=8)


def push(thread):
    client, number = None, 0
    while not stop.is_set():
        number += 1
        try:
            client = client or connect()
            client.rpush(f"list:{number % KEYS}", f"t{thread}:{number}")
            succeeded[thread] += 1
        except (RedisError, RedisClusterException, OSError, IndexError):
            failed[thread] += 1
            client = None


threads = [threading.Thread(target=push, args=(thread,)) for thread in range(THREADS)]
for thread in threads:
    thread.start()
print("GO", flush=True)
sys.stdin.readline()
stop.set()
for thread in threads:
    thread.join(120)
assert not any(thread.is_alive() for thread in threads)
print(sum(succeeded), sum(failed), flush=True)
