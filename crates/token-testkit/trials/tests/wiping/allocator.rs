//! An allocator that keeps a copy of all that is freed, to be searched afterwards.
#![expect(
    unsafe_code,
    reason = "an allocator cannot be written without, and nothing else sees what a program leaves in freed memory"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How much is kept, in bytes. Each block has its size in front.
const ROOM: usize = 64 * 1024 * 1024;

/// The system's allocator. While it watches, it copies each block at the moment at which it is freed.
///
/// `realloc` and `alloc_zeroed` are those of the trait, which allocate, copy and free by the methods below:
/// so a buffer that grows or shrinks counts as freed where it was, also where the system would have let it stay.
pub(crate) struct Watching {
    is_on: AtomicBool,
    /// How far the copies go, or would go.
    end: AtomicUsize,
    copies: UnsafeCell<[u8; ROOM]>,
}

// SAFETY: `copies` is written by `keep` alone, in a range that `end` gives to one caller each, and read by `take` alone, which asks for quiet.
unsafe impl Sync for Watching {}

impl Watching {
    pub(crate) const fn new() -> Self {
        Self { is_on: AtomicBool::new(false), end: AtomicUsize::new(0), copies: UnsafeCell::new([0; ROOM]) }
    }

    /// Begins with nothing kept.
    pub(crate) fn begin(&self) {
        self.end.store(0, Ordering::SeqCst);
        self.is_on.store(true, Ordering::SeqCst);
    }

    /// Ends, and gives the blocks that were freed meanwhile, in the order in which they were.
    ///
    /// No other thread may free anything that was allocated by then: the tests take turns, and have ended what they began.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        self.is_on.store(false, Ordering::SeqCst);
        let end = self.end.load(Ordering::SeqCst);
        assert!(end <= ROOM, "{end} bytes are too many: watch less at a time");
        // SAFETY: it does not watch any more, so nobody writes, and all below `end` was written or is zero.
        let copies = unsafe { &*self.copies.get() };
        let mut rest = &copies[..end];
        let mut blocks = Vec::new();
        while let Some((size, after)) = rest.split_first_chunk() {
            let (block, after) = after.split_at(usize::from_ne_bytes(*size));
            blocks.push(block.to_vec());
            rest = after;
        }
        blocks
    }

    /// Copies a block of `size` bytes.
    ///
    /// # Safety
    ///
    /// `block` is a live block of that size.
    unsafe fn keep(&self, block: *const u8, size: usize) {
        const HEAD: usize = size_of::<usize>();
        let start = self.end.fetch_add(HEAD + size, Ordering::SeqCst);
        if start.saturating_add(HEAD + size) > ROOM {
            // `take` tells.
            return;
        }
        // SAFETY: the range lies within `copies` and was given to this call alone; the block is as long as it says and lies elsewhere.
        unsafe {
            let to = self.copies.get().cast::<u8>().add(start);
            to.copy_from_nonoverlapping(size.to_ne_bytes().as_ptr(), HEAD);
            to.add(HEAD).copy_from_nonoverlapping(block, size);
        }
    }
}

// SAFETY: memory comes from the system's allocator and goes back to it with the layout it came with.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that what stands in the unused part of a block is of the block.
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.is_on.load(Ordering::Relaxed) {
            // SAFETY: the caller gives a live block of this layout.
            unsafe { self.keep(block, layout.size()) };
        }
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.dealloc(block, layout) }
    }
}
