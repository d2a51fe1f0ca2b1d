//! A new world out of what is on the disks of an old one.

use base::PartitionId;
use node::{Rescue, RescueError, RescuedState, Standing};

use super::*;

/// The cluster that a rescue makes.
const NEW_CLUSTER: u128 = 8;

/// What came of a rescue.
pub(crate) struct Rescued {
    /// One node that has all that was found; it runs.
    pub(crate) world: World,
    pub(crate) standings: Vec<Standing>,
    /// Of how many partitions each of the nodes that were asked had the best replica.
    pub(crate) chosen: Vec<usize>,
}

impl World {
    /// Rescues what the disks of these nodes have, in this order, as the shell does it.
    pub(crate) fn rescue(&self, nodes: &[usize]) -> Rescued {
        let mut world = World::empty(1, true, self.partitions);
        world.now = self.now;
        world.add_machine();
        let (router, me) = (Router::new(self.partitions, 1), world.replica(0));
        let mut rescue = Rescue::new(router, KeyHasher::new(5), me);
        for &node in nodes {
            for state in self.look_at(node, &mut rescue).unwrap() {
                world.machines[0].keep(state);
            }
        }
        let standings: Vec<(PartitionId, Standing)> = rescue.standings().collect();
        for (id, _) in standings.iter().filter(|(_, standing)| *standing == Standing::Missing) {
            world.machines[0].keep(rescue.nothing_of(*id).unwrap());
        }
        let member = world.newcomer(0);
        let (_, frame) = rescue.found(NEW_CLUSTER, member, self.now.millis(), "a test").unwrap();
        world.machines[0].disk.frames.push(frame);
        world.restart(0);
        world.pass(100);
        let chosen = nodes.iter().map(|node| rescue.chosen_of(self.id(*node))).collect();
        Rescued { world, standings: standings.into_iter().map(|(_, standing)| standing).collect(), chosen }
    }

    /// Shows a rescue what is on the disk of a node that does not run.
    pub(crate) fn look_at(&self, node: usize, rescue: &mut Rescue) -> Result<Vec<RescuedState>, RescueError> {
        let machine = &self.machines[node];
        assert!(machine.worker.is_none(), "it must not run");
        let (recovery, _) = self.read_disk(node);
        let told = machine.admission.clone();
        Ok(rescue.take(machine.id, recovery, told, machine.lost_power)?.better)
    }
}

impl Machine {
    /// Writes a checkpoint of a state.
    fn keep(&mut self, mut state: RescuedState) {
        let (term, index) = RescuedState::TERM_AND_INDEX;
        let (id, time) = (state.id().0, state.time());
        let chunks = std::iter::from_fn(|| state.next_chunk()).collect();
        self.disk.checkpoints.insert(id, (term, index, time, chunks, 0, false));
    }
}
