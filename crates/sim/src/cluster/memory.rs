//! How nodes stand to their limits of memory, and whether what they say of a write fits that.
//!
//! A node with more in use than it may goes on evicting, or asks others to, as long as there are keys that may go; one that
//! has none refuses what adds. Does not know: which node leads the key of a write.

use node::Pressure;
use resp::Value;

use crate::cluster::ClusterWorld;
use crate::life::Life;

/// How the workers of a machine stood while something was under way; each stand once.
#[derive(Default)]
pub(super) struct Seen(Vec<Pressure>);

impl Seen {
    /// Notes how the workers stand now.
    pub(super) fn note(&mut self, life: &Life) {
        for pressure in (0..life.workers()).map(|seat| life.worker(seat).memory_pressure()) {
            if !self.0.contains(&pressure) {
                self.0.push(pressure);
            }
        }
    }
}

impl ClusterWorld {
    /// Those of all workers of all nodes that are in the cluster.
    pub(super) fn pressures(&self) -> Vec<Pressure> {
        let lives = self.present().into_iter().filter_map(|number| self.machines[number].life.as_ref());
        lives.flat_map(|life| (0..life.workers()).map(|seat| life.worker(seat).memory_pressure())).collect()
    }

    /// From now on each machine notes after every turn how its workers stand.
    pub(super) fn watch_pressures(&mut self) {
        for machine in &mut self.machines {
            let mut seen = Seen::default();
            machine.life.iter().for_each(|life| seen.note(life));
            machine.pressures = Some(seen);
        }
    }

    /// How any has stood since then. A follower applies a write after it was answered: what is true before a request and
    /// after it need not be so meanwhile.
    pub(super) fn pressures_seen(&mut self) -> Vec<Pressure> {
        let seen = self.machines.iter_mut().filter_map(|machine| machine.pressures.take());
        seen.flat_map(|seen| seen.0).collect()
    }
}

/// Whether a write that adds may be answered so, if nodes stood so while it was under way.
pub(super) fn check(told: &Value, seen: &[Pressure]) -> Result<(), String> {
    let always = |is_such: fn(Pressure) -> bool| seen.iter().all(|pressure| is_such(*pressure));
    match told {
        Value::Error(text) if always(|pressure| matches!(pressure, Pressure::None | Pressure::Evicts)) => {
            Err(format!("memory: -{text}, and every node has room or keys that may go"))
        }
        Value::Error(_) => Ok(()),
        _ if always(|pressure| pressure == Pressure::Refuses) => {
            Err("memory: a write is taken where no node has room".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_refused_where_there_is_no_room_and_nowhere_else() {
        use Pressure::{Asks, Evicts, None, Refuses};
        let fits = |told: &Value, pressures: &[Pressure]| check(told, pressures).is_ok();
        let (fine, refused) = (Value::Simple("OK".to_owned()), Value::Error("OOM ..".to_owned()));
        assert!(fits(&fine, &[None, Evicts, Refuses]) && fits(&refused, &[None, Evicts, Refuses]));
        assert!(!fits(&fine, &[Refuses, Refuses]) && fits(&refused, &[Refuses, Refuses]));
        assert!(fits(&fine, &[Asks]) && fits(&refused, &[Asks, None]));
        assert!(fits(&fine, &[None, Evicts]) && !fits(&refused, &[None, Evicts]));
        assert!(fits(&refused, &[None, Asks, Evicts]), "for a moment only others could help");
    }
}
