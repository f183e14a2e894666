//! `varve`: one binary for every role, and the tools beside them.

use std::process::ExitCode;

use node::Cli;

/// Long-lived small allocations beside bursts of large ones: jemalloc keeps the resident size near
/// what is in use, where the system's allocator keeps the peak.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    Cli::from_process().run()
}
