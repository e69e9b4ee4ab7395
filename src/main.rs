//! The command `skai-server`.

use std::process::ExitCode;

/// Jobs are allocated on one thread and freed on another, and hundreds of threads may be at work: of
/// three allocators this one kept a fifth of the memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    skai_server::cli::run()
}
