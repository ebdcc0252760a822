//! Counts what a thread allocates, for code that must not.
//!
//! ```
//! use afc_gate::allocations::{Counting, allocated_by};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//!
//! assert_eq!(allocated_by(|| 1 + 1).allocations, 0);
//! assert_eq!(allocated_by(|| drop(vec![1, 2, 3])).allocations, 1);
//! ```

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static ALLOCATED: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting by thread. Freeing counts nothing, growing what there is does.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

/// What some work did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated<R> {
    /// How often it asked for memory.
    pub allocations: u64,
    /// What it gave.
    pub result: R,
}

/// Runs `work` and counts what this thread allocates meanwhile. Without [`Counting`] as the global allocator, nothing.
pub fn allocated_by<R>(work: impl FnOnce() -> R) -> Allocated<R> {
    let before = ALLOCATED.get();
    let result = work();
    Allocated { allocations: ALLOCATED.get() - before, result }
}

fn count() {
    ALLOCATED.set(ALLOCATED.get() + 1);
}

// SAFETY: every call goes to the system's allocator as it is; the counter is a plain cell that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: as in `alloc`.
        unsafe { System.realloc(place, layout, bytes) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(place, layout) }
    }
}
