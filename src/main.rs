//! Process entry, and the process's allocator: reading a large inventory is a million small allocations.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    pitstop::cli::main()
}
