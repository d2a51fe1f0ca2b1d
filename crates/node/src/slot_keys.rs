//! `CLUSTER COUNTKEYSINSLOT` and `GETKEYSINSLOT`: the keys of one slot, which lie among all others of its partition.
//!
//! As in Redis they are about database 0, the only one whose keys slots spread.

use base::{Args, DbIndex, Millis, PartitionId, Slot, parse_i64, slot_of};
use command::NodeCommand;
use resp::Reply;

use crate::partition::Partition;
use crate::router::Router;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotQuestion {
    slot: Slot,
    /// How many keys are named at most; without it they are counted.
    most: Option<usize>,
}

impl SlotQuestion {
    /// The question of a request; the error it is answered with if it is wrong.
    pub(crate) fn parse(command: NodeCommand, args: Args<'_>) -> Result<SlotQuestion, &'static str> {
        let number = |at: usize| parse_i64(args.at(at)).ok_or("ERR value is not an integer or out of range");
        let slot = |number: i64| u16::try_from(number).ok().and_then(Slot::new);
        if command == NodeCommand::ClusterCountKeysInSlot {
            let slot = slot(number(2)?).ok_or("ERR Invalid slot")?;
            return Ok(SlotQuestion { slot, most: None });
        }
        let (slot, most) = (slot(number(2)?), usize::try_from(number(3)?).ok());
        match (slot, most) {
            (Some(slot), Some(_)) => Ok(SlotQuestion { slot, most }),
            _ => Err("ERR Invalid slot or number of keys"),
        }
    }

    /// The partition that can answer it.
    pub(crate) fn partition(self, router: Router) -> PartitionId {
        router.partition_of_slot(self.slot)
    }

    /// Answers it for the partition that the slot is of.
    pub(crate) fn answer(self, partition: &Partition, now: Millis, reply: &mut Reply<'_>) {
        let mut count = 0;
        let mut named: Vec<Box<[u8]>> = Vec::new();
        partition.each_entry(DbIndex::ZERO, now, &mut |entry| {
            if slot_of(entry.key()) == self.slot {
                count += 1;
                if self.most.is_some_and(|most| named.len() < most) {
                    named.push(entry.key().into());
                }
            }
        });
        match self.most {
            None => reply.len_int(count),
            Some(_) => {
                reply.array(named.len());
                named.iter().for_each(|key| reply.bulk(key));
            }
        }
    }
}
