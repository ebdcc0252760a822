//! The cluster's secret: the key file, `afc keygen`, and the keys derived from the secret.
//!
//! A key file has one line a key, at most two: 64 hex digits, or an id and a colon before them. Without ids the first
//! line is key 1, the second key 2. A node signs with the first line and accepts both, so that a key can be replaced:
//! add the new one as the second line everywhere, swap the lines (with ids) everywhere, remove the old one.
//! Nothing here prints a secret.

mod generate;

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use afc_ebpf::siphash;
use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;

pub use generate::{KeygenError, generate};

/// Bytes of a secret.
const SECRET_BYTES: usize = 32;
/// Keys that are live at one time, at most (design.md section 4).
const MAX_KEYS: usize = 2;
/// A key file is far shorter; a longer file is something else.
const MAX_FILE_BYTES: u64 = 4096;
/// Nobody but the owner may do anything with the file.
const OTHERS_MODE: u32 = 0o077;
/// The HKDF purpose of the heartbeat's tag.
const HEARTBEAT_PURPOSE: &[u8] = b"afc heartbeat v1";
/// The HKDF purpose of the cluster controller's seal.
const CONTROLLER_PURPOSE: &[u8] = b"afc controller v1";

/// The live keys of the cluster; the first signs, all are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterKeys(Vec<ClusterKey>);

impl ClusterKeys {
    /// Reads a key file that nobody else can read.
    ///
    /// # Errors
    /// It cannot be read, somebody else could read it, or it is no key file.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let open = |source| KeyError::Open { path: path.to_owned(), source };
        // Without blocking: the path may name a FIFO.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(open)?;
        let metadata = file.metadata().map_err(open)?;
        if !metadata.is_file() {
            return Err(KeyError::NotAFile { path: path.to_owned() });
        }
        // SAFETY: geteuid reads a number of this process and cannot fail.
        let us = unsafe { libc::geteuid() };
        if metadata.uid() != us {
            return Err(KeyError::Owner { path: path.to_owned(), owner: metadata.uid(), us });
        }
        if metadata.mode() & OTHERS_MODE != 0 {
            return Err(KeyError::Mode { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
        }
        let mut text = String::new();
        file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(open)?;
        Self::parse(&text).map_err(|problem| KeyError::Format { path: path.to_owned(), problem })
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// It is no key file.
    pub fn parse(text: &str) -> Result<Self, FormatProblem> {
        let mut keys: Vec<ClusterKey> = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line_number = index + 1;
            if keys.len() == MAX_KEYS {
                return Err(FormatProblem::TooMany { line: line_number });
            }
            let (id, digits) = match line.trim().split_once(':') {
                Some((id, digits)) => (id.trim().parse().ok().filter(|&id| id != 0), digits.trim()),
                None => (Some(keys.len() as u8 + 1), line.trim()),
            };
            let id = id.ok_or(FormatProblem::Id { line: line_number })?;
            let secret = from_hex(digits).ok_or(FormatProblem::Digits { line: line_number })?;
            if keys.iter().any(|key| key.id == id) {
                return Err(FormatProblem::SameId { line: line_number, id });
            }
            keys.push(ClusterKey { id, secret });
        }
        if keys.is_empty() { Err(FormatProblem::Empty) } else { Ok(Self(keys)) }
    }

    /// The key to sign with.
    pub fn signing(&self) -> &ClusterKey {
        self.0.first().expect("a key file without keys is refused when it is read")
    }

    /// Every live key, the signing one first; one or two.
    pub fn live(&self) -> &[ClusterKey] {
        &self.0
    }
}

/// One key of the cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterKey {
    /// Its id on the wire.
    pub id: u8,
    secret: [u8; SECRET_BYTES],
}

impl ClusterKey {
    /// The key of the heartbeat's tag, among nodes that agree on `context`: to others they are strangers.
    pub fn heartbeat(&self, context: &[u8]) -> siphash::Key {
        let mut key = [0; 16];
        let derived = Hkdf::<Sha256>::new(None, &self.secret)
            .expand_multi_info(&[HEARTBEAT_PURPOSE, context], &mut key);
        derived.expect("16 bytes are within HKDF's limit of 255 hashes");
        siphash::Key::from_bytes(key)
    }

    /// The key of the cluster controller's seal (XChaCha20-Poly1305), among nodes that agree on `context`.
    pub fn controller(&self, context: &[u8]) -> [u8; SECRET_BYTES] {
        let mut key = [0; SECRET_BYTES];
        let derived = Hkdf::<Sha256>::new(None, &self.secret)
            .expand_multi_info(&[CONTROLLER_PURPOSE, context], &mut key);
        derived.expect("32 bytes are within HKDF's limit of 255 hashes");
        key
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a key file was refused.
#[derive(Debug, Error)]
pub enum KeyError {
    /// It could not be opened or read.
    #[error("cannot read the key file {}: {source}; `afc keygen PATH` makes one", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a directory, a device or a pipe.
    #[error("the key file {} is no regular file; name the file that `afc keygen` made", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to another user, who could change it.
    #[error("the key file {} belongs to user {owner}, and afc runs as user {us}; run `chown {us} {}`", path.display(), path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who this process is.
        us: u32,
    },
    /// Others may use it.
    #[error("others can use the key file {} (mode {mode:04o}); run `chmod 600 {}`", path.display(), path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It holds no keys.
    #[error("the key file {} {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: FormatProblem,
    },
}

/// What is wrong with the text of a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FormatProblem {
    /// No key at all.
    #[error("is empty; `afc keygen PATH` makes one")]
    Empty,
    /// A line that is no key.
    #[error("has no key on line {line}; write 64 hex digits, or run `afc keygen PATH` for a new file")]
    Digits {
        /// The line.
        line: usize,
    },
    /// An id out of range.
    #[error("has no key id before the colon on line {line}; write a number from 1 to 255")]
    Id {
        /// The line.
        line: usize,
    },
    /// Two keys with one id.
    #[error("has key id {id} again on line {line}; write another number from 1 to 255 before the colon")]
    SameId {
        /// The line of the second.
        line: usize,
        /// The id.
        id: u8,
    },
    /// A third key.
    #[error("has a third key on line {line}; leave the oldest out, two are live at most")]
    TooMany {
        /// The line.
        line: usize,
    },
}

fn from_hex(digits: &str) -> Option<[u8; SECRET_BYTES]> {
    if digits.len() != 2 * SECRET_BYTES || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut secret = [0; SECRET_BYTES];
    for (byte, pair) in secret.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const A: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const B: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F";

    fn ids(text: &str) -> Vec<u8> {
        ClusterKeys::parse(text).unwrap().live().iter().map(|key| key.id).collect()
    }

    #[test]
    fn lines_without_ids_are_keys_1_and_2_and_ids_survive_a_swap() {
        assert_eq!(ids(&format!("{A}\n")), [1]);
        assert_eq!(ids(&format!("{A}\n\n{B}")), [1, 2]);
        let swapped = ClusterKeys::parse(&format!("2:{B}\n1:{A}\n")).unwrap();
        assert_eq!(swapped.signing().id, 2);
        assert_eq!(swapped.live()[1], ClusterKeys::parse(A).unwrap().0[0]);
    }

    #[test]
    fn what_is_no_key_file_is_refused_with_its_line() {
        for (text, problem) in [
            (String::new(), FormatProblem::Empty),
            ("\n \n".to_owned(), FormatProblem::Empty),
            (A[1..].to_owned(), FormatProblem::Digits { line: 1 }),
            (format!("{A}\n{}g", &B[1..]), FormatProblem::Digits { line: 2 }),
            (format!("{A}\n+{}", &B[1..]), FormatProblem::Digits { line: 2 }),
            (format!("0:{A}"), FormatProblem::Id { line: 1 }),
            (format!("256:{A}"), FormatProblem::Id { line: 1 }),
            (format!("x:{A}"), FormatProblem::Id { line: 1 }),
            (format!("2:{A}\n{B}"), FormatProblem::SameId { line: 2, id: 2 }),
            (format!("{A}\n{B}\n{A}"), FormatProblem::TooMany { line: 3 }),
        ] {
            assert_eq!(ClusterKeys::parse(&text), Err(problem), "{text:?}");
        }
    }

    #[test]
    fn the_heartbeat_key_is_hkdf_sha256_of_the_secret() {
        // Computed with Python's hmac and hashlib by RFC 5869, without salt.
        let key = ClusterKeys::parse(A).unwrap().signing().heartbeat(&[]);
        assert_eq!(
            key,
            siphash::Key::from_bytes([
                0xea, 0x6a, 0xff, 0x18, 0xfe, 0x8d, 0x8a, 0x16, 0x1a, 0xc9, 0x7f, 0x7b, 0x17, 0x47, 0xc4,
                0x78
            ])
        );
    }

    #[test]
    fn the_controllers_key_is_hkdf_sha256_of_the_secret_and_the_context() {
        // Computed like the one above.
        let key = ClusterKeys::parse(A).unwrap().signing().controller(b"edge");
        assert_eq!(key[..8], [0x72, 0x19, 0x06, 0x60, 0x05, 0xeb, 0x67, 0x0d]);
    }

    #[test]
    fn no_secret_is_printed() {
        let printed = format!("{:?}", ClusterKeys::parse(A).unwrap());
        assert_eq!(printed, "ClusterKeys([ClusterKey { id: 1, .. }])");
    }

    #[test]
    fn a_generated_file_is_read_back_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cluster.key");
        generate(&path).unwrap();
        let keys = ClusterKeys::load(&path).unwrap();
        assert!(matches!(generate(&path), Err(KeygenError::Exists { .. })));
        assert_eq!(ClusterKeys::load(&path).unwrap(), keys);
        let missing = generate(&dir.path().join("none/cluster.key")).unwrap_err().to_string();
        assert!(missing.contains("make its directory"), "{missing}");
    }

    #[test]
    fn a_file_that_others_can_use_is_refused_with_the_fix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cluster.key");
        generate(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let error = ClusterKeys::load(&path).unwrap_err().to_string();
            assert!(
                error.contains(&format!("(mode {mode:04o}); run `chmod 600 {}`", path.display())),
                "{error}"
            );
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
        ClusterKeys::load(&path).unwrap();
        assert!(matches!(ClusterKeys::load(dir.path()), Err(KeyError::NotAFile { .. })));
        assert!(matches!(ClusterKeys::load(&dir.path().join("none")), Err(KeyError::Open { .. })));
    }
}
