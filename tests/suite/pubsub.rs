//! Publish and subscribe.

use narf_tests::{Client, Options, Server, Value, eventually, on_one_and_two_workers, skip_unless_narf};

use crate::nodes::Cluster;

on_one_and_two_workers!(
    messages_reach_subscribers_in_order,
    patterns_get_messages_of_matching_channels,
    subscriptions_are_counted_and_ended,
    resp2_subscribers_may_only_do_what_concerns_subscriptions,
    resp3_subscribers_may_do_anything,
    sharded_channels_are_apart,
    pubsub_tells_about_subscriptions,
    a_leaving_subscriber_is_forgotten,
    publishers_of_one_connection_are_heard_in_order_by_all,
    subscribing_inside_a_transaction_works,
);

fn messages_reach_subscribers_in_order(node: &Server) {
    let mut sub = node.client();
    sub.check("SUBSCRIBE ch", r#"["subscribe", "ch", :1]"#);
    let mut p = node.client();
    p.check("PUBLISH nobody x", ":0");
    let replies = p.pipeline((0..2000).map(|i| format!("PUBLISH ch m{i}")));
    assert!(replies.iter().all(|reply| reply.to_string() == ":1"));
    for i in 0..2000 {
        sub.check_push(&format!(r#"["message", "ch", "m{i}"]"#));
    }
}

fn patterns_get_messages_of_matching_channels(node: &Server) {
    let mut sub = node.client();
    sub.check("PSUBSCRIBE news.*", r#"["psubscribe", "news.*", :1]"#);
    sub.send("PSUBSCRIBE n?ws.[a-c]rt n*");
    sub.check_push(r#"["psubscribe", "n?ws.[a-c]rt", :2]"#);
    sub.check_push(r#"["psubscribe", "n*", :3]"#);
    let mut p = node.client();
    p.check("PUBLISH other x", ":0");
    p.check("PUBLISH none x", ":1");
    sub.check_push(r#"["pmessage", "n*", "none", "x"]"#);
    p.check("PUBLISH news.art y", ":3");
    let mut got: Vec<_> = (0..3).map(|_| sub.push().to_string()).collect();
    got.sort();
    assert_eq!(
        got,
        [
            r#"["pmessage", "n*", "news.art", "y"]"#,
            r#"["pmessage", "n?ws.[a-c]rt", "news.art", "y"]"#,
            r#"["pmessage", "news.*", "news.art", "y"]"#,
        ]
    );
    // A channel and a pattern of one client: a message each.
    sub.check("SUBSCRIBE none", r#"["subscribe", "none", :4]"#);
    p.check("PUBLISH none z", ":2");
    sub.check_push(r#"["message", "none", "z"]"#);
    sub.check_push(r#"["pmessage", "n*", "none", "z"]"#);
}

fn subscriptions_are_counted_and_ended(node: &Server) {
    let mut c = node.client();
    c.check("UNSUBSCRIBE", r#"["unsubscribe", nil, :0]"#);
    c.check("PUNSUBSCRIBE", r#"["punsubscribe", nil, :0]"#);
    c.check("UNSUBSCRIBE a", r#"["unsubscribe", "a", :0]"#);
    c.check("SUBSCRIBE a", r#"["subscribe", "a", :1]"#);
    c.check("SUBSCRIBE a", r#"["subscribe", "a", :1]"#);
    c.check("PSUBSCRIBE p*", r#"["psubscribe", "p*", :2]"#);
    c.check("SUBSCRIBE b", r#"["subscribe", "b", :3]"#);
    c.check("UNSUBSCRIBE a", r#"["unsubscribe", "a", :2]"#);
    c.check("PUNSUBSCRIBE", r#"["punsubscribe", "p*", :1]"#);
    c.check("UNSUBSCRIBE", r#"["unsubscribe", "b", :0]"#);
    c.check("SET k v", "+OK");
    node.client().check("PUBLISH a x", ":0");
}

fn resp2_subscribers_may_only_do_what_concerns_subscriptions(node: &Server) {
    let mut c = node.client();
    c.check("SUBSCRIBE a", r#"["subscribe", "a", :1]"#);
    for name in ["get", "set", "publish", "multi", "info", "client|id", "hello"] {
        let line = match name {
            "set" | "publish" => format!("{name} k v"),
            "get" => format!("{name} k"),
            "client|id" => "client id".to_owned(),
            _ => name.to_owned(),
        };
        c.check(
            &line,
            &format!(
                "-ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            ),
        );
    }
    c.check("PING", r#"["pong", ""]"#);
    c.check("PING hi", r#"["pong", "hi"]"#);
    c.check("UNSUBSCRIBE a", r#"["unsubscribe", "a", :0]"#);
    c.check("PING", "+PONG");
    c.check("SET k v", "+OK");
}

fn resp3_subscribers_may_do_anything(node: &Server) {
    let mut c = node.client3();
    c.send("SUBSCRIBE a");
    c.check_push(r#">["subscribe", "a", :1]"#);
    c.check("SET k v", "+OK");
    c.check("PING", "+PONG");
    node.client().check("PUBLISH a x", ":1");
    c.check_push(r#">["message", "a", "x"]"#);
    c.check("GET k", r#""v""#);
    // One's own message is pushed and the publishing answered.
    c.check("PUBLISH a own", ":1");
    c.check_push(r#">["message", "a", "own"]"#);
    c.send("UNSUBSCRIBE");
    c.check_push(r#">["unsubscribe", "a", :0]"#);
    c.send("PUNSUBSCRIBE");
    c.check_push(r#">["punsubscribe", null, :0]"#);
}

fn sharded_channels_are_apart(node: &Server) {
    let mut c = node.client();
    c.check("SSUBSCRIBE ch", r#"["ssubscribe", "ch", :1]"#);
    c.check("SUBSCRIBE ch", r#"["subscribe", "ch", :1]"#);
    let mut p = node.client();
    p.check("SPUBLISH ch sharded", ":1");
    c.check_push(r#"["smessage", "ch", "sharded"]"#);
    p.check("PUBLISH ch plain", ":1");
    c.check_push(r#"["message", "ch", "plain"]"#);
    p.check("PUBSUB SHARDCHANNELS", r#"["ch"]"#);
    p.check("PUBSUB SHARDNUMSUB ch none", r#"["ch", :1, "none", :0]"#);
    c.check("SUNSUBSCRIBE", r#"["sunsubscribe", "ch", :0]"#);
    p.check("SPUBLISH ch x", ":0");
}

fn pubsub_tells_about_subscriptions(node: &Server) {
    let mut a = node.client();
    let mut b = node.client();
    for line in ["SUBSCRIBE one", "SUBSCRIBE two", "PSUBSCRIBE p*"] {
        a.run(line);
    }
    for line in ["SUBSCRIBE two", "SUBSCRIBE three", "PSUBSCRIBE p*", "PSUBSCRIBE q*"] {
        b.run(line);
    }
    let mut c = node.client();
    c.check_sorted("PUBSUB CHANNELS", r#"["one", "three", "two"]"#);
    c.check_sorted("PUBSUB CHANNELS t*", r#"["three", "two"]"#);
    c.check("PUBSUB CHANNELS x*", "[]");
    c.check("PUBSUB NUMSUB", "[]");
    c.check("PUBSUB NUMSUB one two none", r#"["one", :1, "two", :2, "none", :0]"#);
    c.check("PUBSUB NUMPAT", ":2");
    c.check("PUBSUB SHARDCHANNELS", "[]");
    c.check("PUBSUB BANANA", "-ERR unknown subcommand 'BANANA'. Try PUBSUB HELP.");
    assert!(c.run("PUBSUB HELP").items().len() > 5);
    c.check("PUBLISH pxx m", ":2");
}

fn a_leaving_subscriber_is_forgotten(node: &Server) {
    let mut p = node.client();
    let mut subscribers: Vec<Client> = (0..20).map(|_| node.client()).collect();
    for sub in &mut subscribers {
        sub.check("SUBSCRIBE ch", r#"["subscribe", "ch", :1]"#);
        sub.check("PSUBSCRIBE c*", r#"["psubscribe", "c*", :2]"#);
    }
    p.check("PUBLISH ch x", ":40");
    drop(subscribers);
    eventually("nobody is subscribed", || (p.run("PUBLISH ch x") == Value::Int(0)).then_some(()));
    p.check("PUBSUB NUMPAT", ":0");
    p.check("PUBSUB CHANNELS", "[]");
}

fn publishers_of_one_connection_are_heard_in_order_by_all(node: &Server) {
    let mut subscribers: Vec<Client> = (0..8).map(|_| node.client()).collect();
    for (i, sub) in subscribers.iter_mut().enumerate() {
        sub.run(if i % 2 == 0 { "SUBSCRIBE ch" } else { "PSUBSCRIBE c?" });
    }
    let mut p = node.client();
    // A write between two messages must be visible to whoever got the second.
    for i in 0..200 {
        p.pipeline([format!("PUBLISH ch {i}"), format!("SET seen {i}"), format!("PUBLISH ch done{i}")]);
    }
    for sub in &mut subscribers {
        for i in 0..200 {
            assert_eq!(sub.push().items().last().unwrap().text(), i.to_string());
            assert_eq!(sub.push().items().last().unwrap().text(), format!("done{i}"));
        }
    }
}

fn subscribing_inside_a_transaction_works(node: &Server) {
    let mut c = node.client3();
    c.check("MULTI", "+OK");
    c.check("PUBLISH ch before", "+QUEUED");
    c.check("SET k v", "+QUEUED");
    c.check("PUBLISH ch x", "+QUEUED");
    let mut sub = node.client();
    sub.check("SUBSCRIBE ch", r#"["subscribe", "ch", :1]"#);
    c.check("EXEC", "[:1, +OK, :1]");
    sub.check_push(r#"["message", "ch", "before"]"#);
    sub.check_push(r#"["message", "ch", "x"]"#);
}

#[test]
fn a_subscriber_that_does_not_read_is_cut() {
    let options = Options::new().set("client-output-buffer-limit", "pubsub 2mb 1mb 60");
    let node = Server::start(options);
    let mut slow = node.client();
    slow.check("SUBSCRIBE ch", r#"["subscribe", "ch", :1]"#);
    let mut good = node.client();
    good.check("SUBSCRIBE ch", r#"["subscribe", "ch", :1]"#);
    let mut p = node.client();
    let message = "x".repeat(64 * 1024);
    // The kernel's buffers swallow some megabytes before the server's own fill up.
    eventually("the slow subscriber is cut", || {
        let heard = p.run_args(&["PUBLISH", "ch", &message]);
        assert_eq!(good.push().items()[2].bytes().len(), message.len());
        (heard == Value::Int(1)).then_some(())
    });
    slow.read_to_close();
    good.check("PING", r#"["pong", ""]"#);
}

#[test]
fn any_node_counts_subscribers_of_all() {
    if skip_unless_narf() {
        return;
    }
    let cluster = Cluster::of(3);
    // Several at each node, so that their workers have some.
    let mut listeners: Vec<Client> = (0..9).map(|number| cluster.nodes[number % 3].client3()).collect();
    for listener in &mut listeners {
        listener.send("SUBSCRIBE news");
        listener.check_push(">[\"subscribe\", \"news\", :1]");
    }
    let mut others = [cluster.nodes[0].client3(), cluster.nodes[1].client3()];
    for other in &mut others {
        other.send("PSUBSCRIBE n*");
        other.check_push(">[\"psubscribe\", \"n*\", :1]");
    }
    others[1].send("SSUBSCRIBE shard");
    others[1].check_push(">[\"ssubscribe\", \"shard\", :1]");
    for node in &cluster.nodes {
        let mut client = node.client();
        client.check("PUBSUB NUMSUB news none", r#"["news", :9, "none", :0]"#);
        client.check("PUBSUB CHANNELS", r#"["news"]"#);
        client.check("PUBSUB NUMPAT", ":1");
        client.check("PUBSUB SHARDNUMSUB shard", r#"["shard", :1]"#);
        client.check("PUBSUB SHARDCHANNELS s*", r#"["shard"]"#);
        client.check("PUBLISH news x", ":11");
        client.check("SPUBLISH shard x", ":1");
    }
    // Some go without a word.
    listeners.truncate(4);
    for node in &cluster.nodes {
        let mut client = node.client();
        let mut count = || client.run("PUBSUB NUMSUB news").items()[1].int();
        eventually("those that are gone are not counted", || (count() == 4).then_some(()));
    }
}
