//! A process that takes memory, and nothing else: each line of its input says how many bytes to hold from now on, and is
//! echoed once it holds them, every page touched. It ends with its input, so a hog can't outlive the lab that feeds it.

use std::{
    hint::black_box,
    io::{self, Write},
    process::ExitCode,
};

/// A hog that was told more than this was told nonsense.
const MAX_BYTES: usize = 1 << 30;

fn main() -> ExitCode {
    let mut held = Vec::new();
    for line in io::stdin().lines().map_while(Result::ok) {
        let Some(bytes) = line.trim().parse().ok().filter(|bytes| *bytes <= MAX_BYTES) else {
            eprintln!("afc-hog: `{line}` is no number of bytes up to {MAX_BYTES}");
            return ExitCode::FAILURE;
        };
        hold(&mut held, bytes);
        if writeln!(io::stdout(), "{bytes}").is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Holds exactly this much.
fn hold(held: &mut Vec<u8>, bytes: usize) {
    held.reserve_exact(bytes.saturating_sub(held.len()));
    // Not zero, which a kernel may share between pages.
    held.resize(bytes, 1);
    held.shrink_to_fit();
    black_box(held.as_slice());
}
