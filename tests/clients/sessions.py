"""Counting exactly once with redis-py, while connections are cut and a node is killed.

Run by suite/real_clients.rs with the ports of three nodes. Says KILL when it wants the last of them killed, waits for a
line, and says DONE when all sums are exact.
"""

import random
import socket
import sys
import threading

import redis

PORTS = [int(port) for port in sys.argv[2:]]
WRITERS = 6
COUNTS = 100
KEYS = 5
UNKNOWN = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ClusterDownError)

half = threading.Barrier(WRITERS + 1)
go_on = threading.Event()
failures = []


def pack(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class Writer:
    def __init__(self, number):
        self.random = random.Random(number)
        self.session = self.any().execute_command("CLIENT SESSION", "OPEN")
        self.number = 0
        self.counts = [0] * KEYS
        self.cuts = 0
        self.repeats = 0

    def any(self):
        port = self.random.choice(PORTS)
        # It sends what was cut short again by itself; where nobody listens it soon goes elsewhere.
        again = redis.retry.Retry(redis.backoff.ConstantBackoff(0.01), 2)
        return redis.Redis(port=port, decode_responses=True, socket_timeout=15, retry=again)

    def ask_and_hang_up(self, key):
        """Sends the request and goes away without reading its answer."""
        self.cuts += 1
        try:
            with socket.create_connection(("127.0.0.1", self.random.choice(PORTS)), timeout=5) as peer:
                peer.sendall(pack("CLIENT", "SESSION", "SEQ", self.session, self.number) + pack("INCR", key))
                if self.random.random() < 0.5:
                    peer.recv(1)
        except OSError:
            pass

    def count(self):
        key = self.random.randrange(KEYS)
        self.number += 1
        self.counts[key] += 1
        for _ in range(self.random.choice([0, 0, 0, 1, 2])):
            self.ask_and_hang_up(f"counter:{key}")
        for _ in range(1000):
            try:
                with self.any() as node, node.pipeline(transaction=self.number % 5 == 0) as pipe:
                    pipe.execute_command("CLIENT SESSION", "SEQ", self.session, self.number)
                    pipe.incr(f"counter:{key}")
                    pipe.execute()
                return
            except UNKNOWN:
                pass
            except redis.ResponseError as error:
                # A transaction is another request than the one that was sent without.
                if "was another request" in str(error):
                    return
                if "UNKNOWNOUTCOME" not in str(error):
                    raise
            self.repeats += 1
        raise AssertionError("no answer")

    def run(self):
        try:
            for number in range(COUNTS):
                if number == COUNTS // 2:
                    half.wait(60)
                self.count()
        except Exception as error:
            failures.append(error)
            half.abort()


writers = [Writer(number) for number in range(WRITERS)]
threads = [threading.Thread(target=writer.run) for writer in writers]
for thread in threads:
    thread.start()
half.wait(60)
print("KILL", flush=True)
sys.stdin.readline()
for thread in threads:
    thread.join(120)
assert not failures, failures
assert not any(thread.is_alive() for thread in threads)
node = redis.Redis(port=PORTS[0], decode_responses=True)
for key in range(KEYS):
    expect = sum(writer.counts[key] for writer in writers)
    assert int(node.get(f"counter:{key}")) == expect, (key, node.get(f"counter:{key}"), expect)
assert sum(writer.cuts for writer in writers) > 150
print("DONE", flush=True)
