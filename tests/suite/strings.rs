//! String commands.

use narf_tests::{Server, on_one_and_two_workers};

on_one_and_two_workers!(values_are_set_and_read);

fn values_are_set_and_read(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        SET k v => +OK
        GET k => "v"
        "#,
    );
}
