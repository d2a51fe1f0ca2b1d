//! Rows of the pubsub commands.

use super::prelude::*;
use crate::NodeCommand::*;

rows_of!(Group::PubSub; node container);

pub(super) const ROWS: &[Row] = &[
    node(PSubscribe, "psubscribe", -2, PUBSUB | NOSCRIPT | LOADING | STALE)
        .since("2.0.0")
        .syntax("pattern [pattern ...]")
        .cost("O(N), N the number of patterns")
        .summary("Subscribes to all channels that match patterns."),
    node(Publish, "publish", 3, PUBSUB | LOADING | STALE | FAST)
        .since("2.0.0")
        .syntax("channel message")
        .cost("O(N+M), N the subscribers of the channel, M the patterns")
        .summary("Sends a message to a channel."),
    container("pubsub").since("2.8.0").summary("Looks at channels.").subcommands(&[
        node(PubSubChannels, "pubsub|channels", -2, PUBSUB | LOADING | STALE)
            .since("2.8.0")
            .syntax("[pattern]")
            .cost("O(N), N the number of channels")
            .summary("Returns the channels that have subscribers."),
        node(PubSubHelp, "pubsub|help", 2, LOADING | STALE)
            .since("6.2.0")
            .cost("O(1)")
            .summary("Lists the subcommands."),
        node(PubSubNumPat, "pubsub|numpat", 2, PUBSUB | LOADING | STALE)
            .since("2.8.0")
            .cost("O(1)")
            .summary("Returns the number of patterns subscribed to."),
        node(PubSubNumSub, "pubsub|numsub", -2, PUBSUB | LOADING | STALE)
            .since("2.8.0")
            .syntax("[channel [channel ...]]")
            .cost("O(N), N the number of channels asked for")
            .summary("Returns the number of subscribers of channels."),
        node(PubSubShardChannels, "pubsub|shardchannels", -2, PUBSUB | LOADING | STALE)
            .since("7.0.0")
            .syntax("[pattern]")
            .cost("O(N), N the number of shard channels")
            .summary("Returns the shard channels that have subscribers."),
        node(PubSubShardNumSub, "pubsub|shardnumsub", -2, PUBSUB | LOADING | STALE)
            .since("7.0.0")
            .syntax("[shardchannel [shardchannel ...]]")
            .cost("O(N), N the number of shard channels asked for")
            .summary("Returns the number of subscribers of shard channels."),
    ]),
    node(PUnsubscribe, "punsubscribe", -1, PUBSUB | NOSCRIPT | LOADING | STALE)
        .since("2.0.0")
        .syntax("[pattern [pattern ...]]")
        .cost("O(N), N the number of patterns")
        .summary("Ends subscriptions to patterns; without arguments, to all of them."),
    node(SPublish, "spublish", 3, PUBSUB | LOADING | STALE | FAST)
        .since("7.0.0")
        .keys(&[key(1, 1, 1, NOT_KEY)])
        .syntax("shardchannel message")
        .cost("O(N), N the subscribers of the channel")
        .summary("Sends a message to a shard channel."),
    node(SSubscribe, "ssubscribe", -2, PUBSUB | NOSCRIPT | LOADING | STALE)
        .since("7.0.0")
        .keys(&[key(1, -1, 1, NOT_KEY)])
        .syntax("shardchannel [shardchannel ...]")
        .cost("O(N), N the number of channels")
        .summary("Subscribes to shard channels."),
    node(Subscribe, "subscribe", -2, PUBSUB | NOSCRIPT | LOADING | STALE)
        .since("2.0.0")
        .syntax("channel [channel ...]")
        .cost("O(N), N the number of channels")
        .summary("Subscribes to channels."),
    node(SUnsubscribe, "sunsubscribe", -1, PUBSUB | NOSCRIPT | LOADING | STALE)
        .since("7.0.0")
        .keys(&[key(1, -1, 1, NOT_KEY)])
        .syntax("[shardchannel [shardchannel ...]]")
        .cost("O(N), N the number of channels")
        .summary("Ends subscriptions to shard channels; without arguments, to all of them."),
    node(Unsubscribe, "unsubscribe", -1, PUBSUB | NOSCRIPT | LOADING | STALE)
        .since("2.0.0")
        .syntax("[channel [channel ...]]")
        .cost("O(N), N the number of channels")
        .summary("Ends subscriptions to channels; without arguments, to all of them."),
];
