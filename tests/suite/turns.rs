//! Clients that wait for one key on several nodes are served in the order in which they began.

use narf_tests::{Client, Server, eventually, skip_unless_narf};

use crate::nodes::Cluster;

/// Clients on each of the three nodes.
const CLIENTS: usize = 9;

/// Clients that wait one after the other, each on the next node, and are known to stand in the line.
struct Line<'a> {
    nodes: &'a [Server],
    clients: Vec<Client>,
    others: Vec<Client>,
}

impl Line<'_> {
    fn wait(&mut self, round: usize, line: &str) {
        for number in 0..CLIENTS {
            // Not always the same node first.
            let node = (number + round) % self.nodes.len();
            self.clients[number] = self.nodes[node].client();
            self.clients[number].send(line);
            let blocked = (number / self.nodes.len() + 1).to_string();
            eventually("a client that waits", || {
                (self.nodes[node].info("blocked_clients").as_ref() == Some(&blocked)).then_some(())
            });
            // What its node sends after its try is answered after that, and what it sends then arrives behind its place.
            for _ in 0..2 {
                self.others[node].check("SET {q}mark x", "+OK");
            }
        }
    }
}

#[test]
fn who_began_to_wait_first_is_served_first_on_whichever_node() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::with(3, |_, options| options.workers(1));
    let clients = (0..CLIENTS).map(|_| cluster.nodes[0].client()).collect();
    let others = cluster.nodes.iter().map(Server::client).collect();
    let mut line = Line { nodes: &cluster.nodes, clients, others };
    let elements: Vec<String> = (0..CLIENTS).map(|number| number.to_string()).collect();
    let scored: Vec<String> = elements.iter().map(|element| format!("{element} {element}")).collect();
    for round in 0..12 {
        let (wait, push, expect) = match round % 3 {
            0 => ("BLPOP {q} 0", format!("RPUSH {{q}} {}", elements.join(" ")), "[\"{q}\", \"$\"]"),
            1 => ("BLMOVE {q} {q}to RIGHT LEFT 0", format!("LPUSH {{q}} {}", elements.join(" ")), "\"$\""),
            _ => ("BZPOPMIN {q} 0", format!("ZADD {{q}} {}", scored.join(" ")), "[\"{q}\", \"$\", \"$\"]"),
        };
        line.wait(round, wait);
        line.others[round % 2].check(&push, &format!(":{CLIENTS}"));
        for (client, element) in line.clients.iter_mut().zip(&elements) {
            assert_eq!(client.reply().to_string(), expect.replace('$', element), "round {round}");
        }
        line.others[2].check("EXISTS {q}", ":0");
    }
}
