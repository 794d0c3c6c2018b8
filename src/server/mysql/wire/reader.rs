use super::WireError;

/// Reads the parts of one packet. Whatever the packet holds, it answers or refuses.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(packet: &'a [u8]) -> Self {
        Self(packet)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self
            .0
            .split_at_checked(count)
            .ok_or(WireError::Protocol("a packet that ends too early"))?;
        self.0 = tail;
        Ok(head)
    }

    fn number(&mut self, width: usize) -> Result<u64, WireError> {
        let bytes = self.bytes(width)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.bytes(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        let bytes = self.bytes(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        let bytes = self.bytes(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Up to the next zero byte, which is skipped; everything when there is none.
    pub(super) fn until_zero(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = end.map_or(&[], |end| &self.0[end + 1..]);
        text
    }

    /// A length-encoded number; `None` for the mark of NULL.
    pub(super) fn length(&mut self) -> Result<Option<u64>, WireError> {
        match self.u8()? {
            first @ 0..=0xfa => Ok(Some(u64::from(first))),
            0xfb => Ok(None),
            0xfc => self.number(2).map(Some),
            0xfd => self.number(3).map(Some),
            0xfe => self.number(8).map(Some),
            0xff => Err(WireError::Protocol("an invalid length")),
        }
    }

    /// A length-encoded text; `None` for NULL.
    pub(super) fn text(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let length = usize::try_from(length)
            .map_err(|_| WireError::Protocol("a length beyond its packet"))?;
        self.bytes(length).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_width_are_read() {
        for (bytes, value) in [
            (&[0x05][..], Some(5)),
            (&[0xfb], None),
            (&[0xfc, 0x01, 0x02], Some(0x0201)),
            (&[0xfd, 1, 2, 3], Some(0x03_0201)),
            (&[0xfe, 1, 0, 0, 0, 0, 0, 0, 0x80], Some((1 << 63) | 1)),
        ] {
            assert_eq!(Reader::new(bytes).length().unwrap(), value, "{bytes:?}");
        }
        assert!(Reader::new(&[0xff]).length().is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_packet_makes_the_reader_panic(packet: Vec<u8>) {
            let mut reader = Reader::new(&packet);
            while !reader.is_empty() {
                if reader.text().is_err() {
                    break;
                }
            }
            let mut reader = Reader::new(&packet);
            let before = reader.rest().len();
            reader.until_zero();
            proptest::prop_assert!(reader.rest().len() <= before);
        }
    }
}
