//! HyperLogLogs on a node whose `hll-sparse-max-bytes` is not Redis's.
//!
//! When the sparse form gives way shows in the bytes of a value, and these must be the same on all replicas, whatever
//! their settings are. So the setting of the node that a client talks to goes with the request, in an internal command.

use base::Args;
use command::{DataCommand, Run, Spec};
use engine::SPARSE_MAX;

use crate::wire::WireRequest;
use crate::worker::Worker;

impl Worker {
    /// What goes into the log for a request; `None` if that is the request itself.
    pub(crate) fn with_sparse_max(
        &self,
        command: DataCommand,
        args: Args<'_>,
    ) -> Option<(DataCommand, WireRequest)> {
        let (internal, name) = match command {
            DataCommand::PfAdd => (DataCommand::NarfPfAdd, b"narf.pfadd".as_slice()),
            DataCommand::PfMerge => (DataCommand::NarfPfMerge, b"narf.pfmerge".as_slice()),
            _ => return None,
        };
        let sparse_max = self.settings.hll_sparse_max_bytes;
        if sparse_max == SPARSE_MAX as u64 {
            return None;
        }
        let sparse_max = sparse_max.to_string();
        let mut words: Vec<&[u8]> = vec![name, sparse_max.as_bytes()];
        words.extend(args.iter().skip(1));
        Some((internal, WireRequest::encode(&words)))
    }
}

/// The request that a client made, of one that was made of it: whoever may do the one may do the other.
pub(crate) fn as_asked<'a>(spec: &'static Spec, args: Args<'a>) -> (&'static Spec, Args<'a>) {
    // The limit stands where the name was, and the rest as it was behind it.
    match spec.run {
        Run::Data(DataCommand::NarfPfAdd) => (DataCommand::PfAdd.spec(), args.tail(1)),
        Run::Data(DataCommand::NarfPfMerge) => (DataCommand::PfMerge.spec(), args.tail(1)),
        _ => (spec, args),
    }
}
