use std::collections::VecDeque;

/// How much of a hook's output is kept, in bytes: enough for any message, and little enough for a log line and a record that
/// is replicated. Of more, the beginning and the end are kept, half each.
pub const OUTPUT_BYTES_MAX: usize = 32 * 1024;

const HALF: usize = OUTPUT_BYTES_MAX / 2;

/// What a hook prints, as it comes.
#[derive(Debug, Default)]
pub(super) struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Bytes between the two that were dropped.
    dropped: u64,
}

impl Output {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(HALF - self.head.len()));
        self.head.extend_from_slice(head);
        // Of a long piece only its end can stay.
        let (gone, rest) = rest.split_at(rest.len().saturating_sub(HALF));
        self.tail.extend(rest);
        let surplus = self.tail.len().saturating_sub(HALF);
        self.tail.drain(..surplus);
        let dropped = u64::try_from(gone.len() + surplus).expect("a length fits");
        self.dropped = self.dropped.saturating_add(dropped);
    }

    /// As text; what is no UTF-8 is replaced.
    pub(super) fn into_text(self) -> String {
        let tail: Vec<u8> = self.tail.into();
        if self.dropped == 0 {
            return String::from_utf8_lossy(&[self.head, tail].concat()).into_owned();
        }
        let (head, tail) = (
            String::from_utf8_lossy(&self.head),
            String::from_utf8_lossy(&tail),
        );
        let dropped = self.dropped;
        format!("{head}\n[{dropped} bytes are left out here]\n{tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pieces: &[&[u8]]) -> String {
        let mut output = Output::default();
        pieces.iter().for_each(|piece| output.push(piece));
        output.into_text()
    }

    #[test]
    fn what_fits_is_kept_whole() {
        assert_eq!(text(&[b"one ", b"", b"two"]), "one two");
        let all = vec![b'x'; OUTPUT_BYTES_MAX];
        assert_eq!(text(&[&all]).len(), OUTPUT_BYTES_MAX);
        assert_eq!(
            text(&[&all[..HALF - 1], "é".as_bytes()]).chars().last(),
            Some('é')
        );
        assert_eq!(text(&[b"\xff"]), "\u{fffd}");
    }

    #[test]
    fn of_more_the_beginning_and_the_end_are_kept() {
        let pieces = [vec![b'a'; HALF], vec![b'b'; 100], vec![b'c'; HALF]];
        let expected = format!(
            "{}\n[100 bytes are left out here]\n{}",
            "a".repeat(HALF),
            "c".repeat(HALF)
        );
        let whole = pieces.concat();
        for size in [1, 7, 1000, whole.len()] {
            let parts: Vec<&[u8]> = whole.chunks(size).collect();
            assert_eq!(text(&parts), expected, "in pieces of {size}");
        }
    }
}
