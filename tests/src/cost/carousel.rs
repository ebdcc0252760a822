//! The carousel: a program that makes the packet new and hands it to another one, so that a program which changes its
//! packet can be run on the same one any number of times.
//!
//! What it puts back is found by looking: the packet behind one run is compared with the packet before it. It is put back
//! in the pieces in which the headers' fields lie, so that the program's loads are served from the carousel's stores as they
//! are from a cache.

use std::{
    io,
    ops::Range,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use crate::bpf::{self, Instruction, ProgramType};

/// Registers by what they are for.
const RESULT: u8 = 0;
const FIRST: u8 = 1;
const SECOND: u8 = 2;
const THIRD: u8 = 3;
/// Kept across calls.
const CONTEXT: u8 = 6;
const PACKET: u8 = 7;
const END: u8 = 8;
const FRAME: u8 = 10;

const LOOKUP: i32 = 1;
const TAIL_CALL: i32 = 12;
/// An instruction's source "is a map, by its descriptor".
const MAP_FD: u8 = 1;

/// A word of an array map's value that the carousel writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct MapWord {
    pub(super) key: u32,
    pub(super) offset: usize,
    pub(super) value: u64,
}

/// What a carousel puts back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn<'a> {
    /// The packet that the program finds.
    pub(super) packet: &'a [u8],
    /// Those pieces of it that the program changes.
    pub(super) pieces: &'a [Range<usize>],
    /// The map that `words` are of.
    pub(super) map: BorrowedFd<'a>,
    pub(super) words: &'a [MapWord],
}

/// Two carousels that differ in nothing but whom they call.
pub(super) struct Carousels {
    /// Before the program under test.
    pub(super) measured: OwnedFd,
    /// Before the empty one.
    pub(super) empty: OwnedFd,
}

impl Carousels {
    /// Loads both; `programs` holds the program under test and the empty one.
    pub(super) fn load(turn: &Turn<'_>, programs: BorrowedFd<'_>) -> io::Result<Self> {
        let load = |index| bpf::load(ProgramType::Xdp, "afc_carousel", &instructions(turn, programs, index));
        Ok(Self { measured: load(0)?, empty: load(1)? })
    }
}

/// The pieces of a packet that differ from what a run made of it; `fields` are the bounds of its headers' fields.
pub(super) fn changed(before: &[u8], after: &[u8], fields: &[usize]) -> Vec<Range<usize>> {
    let pieces = fields.windows(2).map(|pair| pair[0]..pair[1]);
    let whole = pieces.take_while(|piece| piece.end <= before.len());
    whole.filter(|piece| before[piece.clone()] != after[piece.clone()]).collect()
}

fn instructions(turn: &Turn<'_>, programs: BorrowedFd<'_>, index: i32) -> Vec<Instruction> {
    let mut code = Code::default();
    code.push(0xbf, CONTEXT, FIRST, 0, 0);
    code.push(0x61, PACKET, CONTEXT, 0, 0);
    code.push(0x61, END, CONTEXT, 4, 0);
    code.push(0xbf, SECOND, PACKET, 0, 0);
    code.push(0x07, SECOND, 0, 0, turn.packet.len() as i32);
    code.abort_if(0x2d, SECOND, END);
    for piece in turn.pieces {
        code.store(PACKET, piece.start, &turn.packet[piece.clone()]);
    }
    for word in turn.words {
        code.push(0x62, FRAME, 0, -4, word.key.cast_signed());
        code.push(0xbf, SECOND, FRAME, 0, 0);
        code.push(0x07, SECOND, 0, 0, -4);
        code.wide(FIRST, MAP_FD, turn.map.as_raw_fd() as u64);
        code.push(0x85, 0, 0, 0, LOOKUP);
        code.abort_if(0x15, RESULT, 0);
        code.store(RESULT, word.offset, &word.value.to_ne_bytes());
    }
    code.push(0xbf, FIRST, CONTEXT, 0, 0);
    code.wide(SECOND, MAP_FD, programs.as_raw_fd() as u64);
    code.push(0xb7, THIRD, 0, 0, index);
    code.push(0x85, 0, 0, 0, TAIL_CALL);
    code.finish()
}

/// Instructions under construction.
#[derive(Default)]
struct Code {
    instructions: Vec<Instruction>,
    aborts: Vec<usize>,
}

impl Code {
    fn push(&mut self, code: u8, to: u8, from: u8, offset: i16, value: i32) {
        let registers = if cfg!(target_endian = "little") { to | from << 4 } else { to << 4 | from };
        let ([a, b], [c, d, e, f]) = (offset.to_ne_bytes(), value.to_ne_bytes());
        self.instructions.push([code, registers, a, b, c, d, e, f]);
    }

    /// `to = value`, a number or what `kind` says.
    fn wide(&mut self, to: u8, kind: u8, value: u64) {
        self.push(0x18, to, kind, 0, value as i32);
        self.push(0, 0, 0, 0, (value >> 32) as i32);
    }

    /// Writes 1, 2, 4 or 8 bytes behind a pointer, at once.
    fn store(&mut self, pointer: u8, offset: usize, bytes: &[u8]) {
        let mut value = [0; 8];
        let at = if cfg!(target_endian = "little") { 0 } else { 8 - bytes.len() };
        value[at..at + bytes.len()].copy_from_slice(bytes);
        let code = match bytes.len() {
            1 => 0x73,
            2 => 0x6b,
            4 => 0x63,
            8 => 0x7b,
            length => panic!("no field has {length} bytes"),
        };
        self.wide(FIRST, 0, u64::from_ne_bytes(value));
        self.push(code, pointer, FIRST, offset as i16, 0);
    }

    /// A comparison that leaves the program: never true.
    fn abort_if(&mut self, code: u8, left: u8, right: u8) {
        self.aborts.push(self.instructions.len());
        self.push(code, left, right, 0, 0);
    }

    /// Where comparisons and a failed tail call lead: `return XDP_ABORTED`.
    fn finish(mut self) -> Vec<Instruction> {
        let end = self.instructions.len();
        for at in self.aborts {
            self.instructions[at][2..4].copy_from_slice(&((end - at - 1) as i16).to_ne_bytes());
        }
        self.aborts = Vec::new();
        self.push(0xb7, RESULT, 0, 0, 0);
        self.push(0x95, 0, 0, 0, 0);
        self.instructions
    }
}

/// A descriptor of the array that both carousels call into: the program under test, then the empty one.
pub(super) fn programs(under_test: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let empty = bpf::load(ProgramType::Xdp, "afc_empty", &crate::xdp_pass::INSTRUCTIONS)?;
    bpf::program_array(&[under_test, empty.as_fd()])
}
