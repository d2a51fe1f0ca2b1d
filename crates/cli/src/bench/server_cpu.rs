//! CPU time that the server says it has used, for the cost of one request. Throughput tells how two programs
//! share a machine; this tells what the server needs.

use std::time::Duration;

use client::{Connection, Options, Target};

/// From `INFO cpu`; `None` if the server does not say.
pub(super) fn read(target: &Target, options: &Options) -> Option<Duration> {
    let reply = Connection::open(target, options).ok()?.query(["INFO", "cpu"]).ok()?;
    used(reply.as_text()?)
}

fn used(info: &str) -> Option<Duration> {
    let field = |name: &str| {
        let seconds = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Duration::try_from_secs_f64(seconds.trim().parse().ok()?).ok()
    };
    Some(field("used_cpu_sys")? + field("used_cpu_user")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_and_those_of_children_left_out() {
        let info = "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:0.25\r\nused_cpu_sys_children:9.0\r\n";
        assert_eq!(used(info), Some(Duration::from_millis(1750)));
        assert_eq!(used("# CPU\r\n"), None);
    }
}
