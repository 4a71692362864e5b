//! The command line `xacminh`; everything is in the library.

fn main() -> std::process::ExitCode {
    xacminh_client::cli::run(std::env::args_os())
}
