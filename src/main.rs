//! Process entry.

fn main() -> std::process::ExitCode {
    pitstop::cli::main()
}
