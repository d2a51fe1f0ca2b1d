"""redis-py's cluster client over TLS, on nodes that have both kinds of ports: it is told of ports that speak TLS.

Run by suite/tls.rs: `cluster_tls.py CA PORT...`, ports for TLS. Says DONE at the end.
"""

import sys

from redis.cluster import RedisCluster

CA, PORTS = sys.argv[1], [int(port) for port in sys.argv[2:]]

client = RedisCluster(host="127.0.0.1", port=PORTS[0], ssl=True, ssl_ca_certs=CA, decode_responses=True)
for number in range(200):
    assert client.set(f"key:{number}", number)
for number in range(200):
    assert client.get(f"key:{number}") == str(number)
ports = sorted(node.port for node in client.get_nodes())
assert ports == sorted(PORTS), (ports, PORTS)
print("DONE")
