"""redis-py's two clients as they come, no setting changed, in use while one of three nodes dies: what their users notice.

Run by suite/real_clients.rs: `stock.py plain|cluster PORT...`. It says KILL when its clients are at work, and goes on for
a while when it reads a line. Plain clients use the first nodes, which live; of the others one begins at the last.
"""

import sys
import threading

import redis
from redis.cluster import RedisCluster

KIND, PORTS = sys.argv[1], [int(port) for port in sys.argv[2:]]
# Each client makes so many rounds before the node dies, and so many after it.
ROUNDS = 300


class User(threading.Thread):
    def __init__(self, port):
        super().__init__(daemon=True)
        kind = RedisCluster if KIND == "cluster" else redis.Redis
        self.client = kind(host="127.0.0.1", port=port, decode_responses=True)
        self.is_at_work, self.is_killed = threading.Event(), threading.Event()
        self.complaints = []

    def run(self):
        number = left = 0
        while not self.is_killed.is_set() or left < ROUNDS:
            number, left = number + 1, left + self.is_killed.is_set()
            self.step(f"{self.name}:{number % 100}", str(number))
            if number == ROUNDS:
                self.is_at_work.set()

    def step(self, key, value):
        try:
            assert self.client.set(key, value)
        except redis.RedisError as error:
            self.complaints.append(f"SET {key}: {error}")
            # What nobody knows is found out, as its user would.
            value = self.read(key)
        found = self.read(key)
        if found != value:
            self.complaints.append(f"GET {key}: {found!r}, not {value!r}")

    def read(self, key):
        try:
            return self.client.get(key)
        except redis.RedisError as error:
            self.complaints.append(f"GET {key}: {error}")


users = [User(port) for port in ([PORTS[0], PORTS[-1]] if KIND == "cluster" else PORTS[:2])]
for user in users:
    user.start()
for user in users:
    assert user.is_at_work.wait(60)
print("KILL", flush=True)
sys.stdin.readline()
for user in users:
    user.is_killed.set()
for user in users:
    user.join(60)
    assert not user.is_alive()
    # Of what a plain client had under way nobody knows what became of it; that is one write, and is said.
    if KIND == "plain" and len(user.complaints) == 1 and "UNKNOWNOUTCOME" in user.complaints[0]:
        continue
    assert not user.complaints, user.complaints
print("DONE", flush=True)
