//! What a row's bytes mean: one byte of version, then JSON, or for documents a digest and the document.
//!
//! JSON, because it names fields and variants: a later afc reads a record that lacks a field with a default, and a kind
//! of event that is put in between does not change the meaning of those that are stored. In a compact encoding both
//! are silent changes of every old row. Rows are some hundred bytes, a few a second: size and time do not matter.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

/// The version of every value that this binary writes.
const VERSION: u8 = 1;
/// The version and the digest before a document.
const DOCUMENT_HEAD_BYTES: usize = 1 + DIGEST_BYTES;
/// Bytes of a BLAKE3 digest.
const DIGEST_BYTES: usize = 32;

/// Something opaque: lists, or the text of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What its author says that it is; not looked at here.
    pub digest: [u8; DIGEST_BYTES],
    /// The content.
    pub bytes: Vec<u8>,
}

impl Document {
    /// A document that is named by the BLAKE3 digest of its content.
    pub fn of(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { digest: blake3::hash(&bytes).into(), bytes }
    }
}

/// A row that could not be read and was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Its table.
    pub table: String,
    /// Its key.
    pub key: u64,
    /// What is wrong with it.
    pub why: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why a row cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Unreadable {
    #[error("it is too short")]
    Short,
    #[error("its version is {0}, and this afc knows {VERSION}")]
    Version(u8),
    #[error("its content is not understood: {0}")]
    Content(String),
    #[error("its key is out of range")]
    Key,
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, value).expect("values are structs of text, numbers and lists of them");
    bytes
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    let content = content(bytes)?;
    serde_json::from_slice(content).map_err(|error| Unreadable::Content(error.to_string()))
}

pub(super) fn encode_document(document: &Document) -> Vec<u8> {
    [&[VERSION], &document.digest[..], &document.bytes].concat()
}

pub(super) fn decode_document(bytes: &[u8]) -> Result<Document, Unreadable> {
    content(bytes)?;
    let (head, content) = bytes.split_at_checked(DOCUMENT_HEAD_BYTES).ok_or(Unreadable::Short)?;
    let digest = head[1..].try_into().map_err(|_| Unreadable::Short)?;
    Ok(Document { digest, bytes: content.to_vec() })
}

fn content(bytes: &[u8]) -> Result<&[u8], Unreadable> {
    match bytes.split_first() {
        None => Err(Unreadable::Short),
        Some((&VERSION, content)) => Ok(content),
        Some((&version, _)) => Err(Unreadable::Version(version)),
    }
}
