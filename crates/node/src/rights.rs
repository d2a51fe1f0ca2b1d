//! Whether a session's user may run a request, and what is said and noted if not.
//!
//! Asked at admission, again when a queued request is run, and by `ACL DRYRUN`: always with the rights of that moment.

use base::Args;
use command::Spec;

use crate::acl::{Denied, User};
use crate::acl_log::{Context, Reason};
use crate::session::{Session, gate};
use crate::sparse_max::as_asked;
use crate::worker::Worker;

impl Worker {
    /// Why a session's user may not run a request, in the client's words; it is noted.
    #[cold]
    pub(crate) fn denied(
        &mut self,
        session: &Session,
        spec: &Spec,
        args: Args<'_>,
        context: Context,
    ) -> Option<String> {
        let user = session.user.as_deref()?;
        let denied = user.check(spec, args).err()?;
        let (reason, object) = match denied {
            Denied::Command => (Reason::Command, spec.name.as_bytes()),
            Denied::Key(index) => (Reason::Key, args.at(index)),
            // Which keys these are only what is stored tells.
            Denied::Content(_) => (Reason::Key, args.at(1)),
            Denied::Channel(index) => (Reason::Channel, args.at(index)),
        };
        self.note_denied(session, reason, context, object, user.name());
        if let Denied::Content(option) = denied {
            return Some(denied_option(args, option));
        }
        Some(match context {
            Context::TopLevel | Context::Queued => format!("NOPERM {}", told(user, spec, denied)),
            Context::Exec => format!(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
                 This command is no longer allowed for the following reason: {}",
                match denied {
                    Denied::Command => "no permission to execute the command or subcommand",
                    Denied::Key(_) | Denied::Content(_) => "no permission to touch the specified keys",
                    Denied::Channel(_) => {
                        "no permission to access one of the channels used as arguments to the command"
                    }
                }
            ),
        })
    }

    /// Why the request of a transaction that is run now may not be, if the user's rights were taken meanwhile.
    pub(crate) fn denied_in_exec(
        &mut self,
        session: &Session,
        spec: &'static Spec,
        args: Args<'_>,
    ) -> Option<String> {
        let (spec, args) = as_asked(spec, args);
        session.has_gate(gate::RESTRICTED).then(|| self.denied(session, spec, args, Context::Exec)).flatten()
    }
}

/// In Redis it is the command itself that refuses this.
fn denied_option(args: Args<'_>, option: usize) -> String {
    let option = String::from_utf8_lossy(args.at(option)).to_ascii_uppercase();
    format!("ERR {option} option of SORT denied due to insufficient ACL permissions")
}

/// What a client is told.
fn told(user: &User, spec: &Spec, denied: Denied) -> String {
    match denied {
        Denied::Command => {
            let name = String::from_utf8_lossy(user.name());
            format!("User {name} has no permissions to run the '{}' command", spec.name)
        }
        Denied::Key(_) | Denied::Content(_) => "No permissions to access a key".to_owned(),
        Denied::Channel(_) => "No permissions to access a channel".to_owned(),
    }
}

/// What an operator is told who asks for another.
pub(crate) fn told_in_full(user: &User, spec: &Spec, args: Args<'_>, denied: Denied) -> String {
    let name = String::from_utf8_lossy(user.name());
    let text = |index: usize| String::from_utf8_lossy(args.at(index)).into_owned();
    match denied {
        Denied::Command => told(user, spec, denied),
        Denied::Key(index) => format!("User {name} has no permissions to access the '{}' key", text(index)),
        Denied::Content(option) => denied_option(args, option),
        Denied::Channel(index) => {
            format!("User {name} has no permissions to access the '{}' channel", text(index))
        }
    }
}
