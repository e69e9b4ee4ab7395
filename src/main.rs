//! The command `skai-server`.

fn main() {}
