//! What a client asks and a service answers, as bytes. All integers little-endian.

/// Bytes of a question: sequence 8, sent 8.
pub const QUESTION_BYTES: usize = 16;
/// Bytes of an answer: the question, served 8, node 8.
pub const ANSWER_BYTES: usize = 32;
/// The UDP port of the echo service.
pub const PORT: u16 = 7000;

/// A client's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Counts up for each virtual IP, from 1.
    pub sequence: u64,
    /// The client's clock when it sent this, ns.
    pub sent_ns: u64,
}

impl Question {
    /// As bytes.
    pub fn to_bytes(self) -> [u8; QUESTION_BYTES] {
        let mut bytes = [0; QUESTION_BYTES];
        bytes[..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..].copy_from_slice(&self.sent_ns.to_le_bytes());
        bytes
    }
}

/// A service's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub question: Question,
    /// The service's clock when it answered, ns.
    pub served_ns: u64,
    /// The node that answered.
    pub node: u16,
}

impl Answer {
    /// As bytes.
    pub fn to_bytes(self) -> [u8; ANSWER_BYTES] {
        let mut bytes = [0; ANSWER_BYTES];
        bytes[..QUESTION_BYTES].copy_from_slice(&self.question.to_bytes());
        bytes[16..24].copy_from_slice(&self.served_ns.to_le_bytes());
        bytes[24..26].copy_from_slice(&self.node.to_le_bytes());
        bytes
    }

    /// From bytes; `None` when there are too few.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let question = Question { sequence: word(0)?, sent_ns: word(8)? };
        Some(Self { question, served_ns: word(16)?, node: word(24)? as u16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_back_what_was_put_in_and_a_short_one_nothing() {
        let question = Question { sequence: 7, sent_ns: u64::MAX };
        let answer = Answer { question, served_ns: 99, node: 4095 };
        let bytes = answer.to_bytes();
        assert_eq!(Answer::parse(&bytes), Some(answer));
        assert_eq!(Answer::parse(&bytes[..ANSWER_BYTES - 1]), None);
        assert_eq!(bytes[..QUESTION_BYTES], question.to_bytes());
    }
}
