//! Newline-delimited frames with a size limit.

/// The largest frame, in bytes, without its newline, when a host says nothing else.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// The smallest limit that a host may set, in bytes.
pub const MIN_FRAME_LIMIT: usize = 1024 * 1024;

/// Cuts a stream of bytes into frames. It never holds more than one frame of the largest size and what came with
/// the last read.
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Where the frame begins that has not been given out.
    start: usize,
    /// Up to where `buffer` is known to hold no newline.
    searched: usize,
    max: usize,
}

/// The stream holds a frame that is larger than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame is larger than {max} bytes")]
pub struct FrameTooLarge {
    /// The limit, in bytes.
    pub max: usize,
}

impl Splitter {
    /// A splitter for frames of at most `max` bytes without their newline.
    pub const fn new(max: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, max }
    }

    /// Takes in what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, without its newline.
    ///
    /// After an error the stream can't be read on.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameTooLarge> {
        let newline = self.buffer[self.searched..].iter().position(|&b| b == b'\n');
        let end = newline.map_or(self.buffer.len(), |at| self.searched + at);
        if end - self.start > self.max {
            return Err(FrameTooLarge { max: self.max });
        }
        if newline.is_none() {
            self.searched = end;
            return Ok(None);
        }
        let frame = self.start..end;
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(&self.buffer[frame]))
    }

    /// What is left without a newline at the end of the stream.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]], max: usize) -> Result<Vec<Vec<u8>>, FrameTooLarge> {
        let mut splitter = Splitter::new(max);
        let mut frames = Vec::new();
        for chunk in chunks {
            splitter.push(chunk);
            while let Some(frame) = splitter.next_frame()? {
                frames.push(frame.to_vec());
            }
        }
        Ok(frames)
    }

    proptest! {
        #[test]
        fn frames_do_not_depend_on_how_the_stream_was_cut(
            frames in prop::collection::vec("[^\n]{0,20}", 0..10),
            cut in 1_usize..30,
        ) {
            let stream: Vec<u8> = frames.iter().flat_map(|f| [f.as_bytes(), b"\n"].concat()).collect();
            let chunks: Vec<&[u8]> = stream.chunks(cut).collect();
            let expected: Vec<Vec<u8>> = frames.iter().map(|f| f.as_bytes().to_vec()).collect();
            prop_assert_eq!(split(&chunks, 100).unwrap(), expected);
        }
    }

    #[test]
    fn the_limit_does_not_count_the_newline() {
        assert_eq!(split(&[b"12345\n"], 5).unwrap(), [b"12345"]);
        assert_eq!(split(&[b"123456\n"], 5), Err(FrameTooLarge { max: 5 }));
        assert_eq!(split(&[b"123", b"456"], 5), Err(FrameTooLarge { max: 5 }));
    }
}
