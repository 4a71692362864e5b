//! The witness; everything is in the library.

fn main() -> std::process::ExitCode {
    xacminh_client::witness::run(std::env::args_os())
}
