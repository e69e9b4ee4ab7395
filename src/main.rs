//! The command `skai-server`.

use std::process::ExitCode;

/// Jobs are allocated on the thread of HTTP and freed on the writer's; the system's allocator keeps six
/// times the memory for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    skai_server::cli::run()
}
