//! What the kernel programs cost: nanoseconds for each path of a packet, and what the verifier says of each program.
//!
//! `BPF_PROG_TEST_RUN` runs a program many times over, each time on the packet as the time before left it. An answered
//! probe is no probe any more, so a `carousel` goes before the program: it puts back what the path under test changes
//! and tail-calls the program. The same carousel before an empty program, measured in turns with it, is what is
//! subtracted. The program's counters prove that each single run took the path that is meant.
//!
//! ```text
//! carousel: put back the bytes and map words that this path changes ─┬─ tail call ─ afc_xdp      measured
//!                                                                    └─ tail call ─ return 2     subtracted
//! ```
//!
//! What is measured is this thread's own time on a CPU, of which the kernel's own average is the same cut to whole
//! nanoseconds. Caches and branch predictors are warm, and the packet is in the first-level cache, as in a busy receive
//! loop behind DDIO; a packet that comes alone finds them colder.

mod answers;
mod carousel;
mod cluster;
mod footprint;
mod packet;
mod path;
mod sample;

pub use answers::{Answered, Answerer, flood};
pub use footprint::{Footprint, footprints};
pub use sample::{Effort, PathCost, measure};
