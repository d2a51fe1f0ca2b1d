//! Requests of commands that came after Redis 7.2.

use base::Request;
use command::DataCommand;

use super::Requests;

impl Requests {
    pub(super) fn recent(&mut self, command: DataCommand, request: &mut Request) {
        use DataCommand::{BLMoveM, IncrEx};
        match command {
            IncrEx => {
                self.push_each(request, "key");
                self.options(request, &["BYINT integer", "BYFLOAT float", "SATURATE"]);
                self.options(request, &["LBOUND integer", "UBOUND integer", "UBOUND float", "SATURATE"]);
                if self.random.chance(1, 3) {
                    self.lifetime(request);
                }
                self.options(request, &["ENX", "PERSIST"]);
            }
            _ => {
                self.push_each(request, "key key");
                let ends = self.pick(&["LEFT LEFT", "left RIGHT", "RIGHT LEFT", "RIGHT RIGHT", "LEFT TOP"]);
                ends.split(' ').for_each(|end| request.push(end.as_bytes()));
                if command == BLMoveM {
                    self.timeout(request);
                }
                if self.random.chance(3, 4) {
                    let count = self.pick(&["COUNT integer", "COUNT 2", "EXACTLY 3", "ABOUT 2"]);
                    let order = self.pick(&["OBO", "bulk", "SIDEWAYS"]);
                    self.push_each(request, count);
                    request.push(order.as_bytes());
                }
            }
        }
    }
}
