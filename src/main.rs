//! The command `skai-server`.

use std::process::ExitCode;

fn main() -> ExitCode {
    skai_server::cli::run()
}
