//! Reads one answer and holds it against what was asked for: status 200, the right length, and not a byte more. A proxy that
//! is fast because it is wrong must not look fast.

/// Larger heads are refused.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// One answer on its way in.
pub(crate) struct Response {
    wanted_bytes: usize,
    head: Vec<u8>,
    /// What is left of the body, once the head was read.
    body_left: Option<usize>,
}

impl Response {
    /// Expects an answer with a body of this length.
    pub(crate) fn expecting(wanted_bytes: usize) -> Response {
        Response {
            wanted_bytes,
            head: Vec::new(),
            body_left: None,
        }
    }

    /// Begins to expect the next one.
    pub(crate) fn again(&mut self) {
        self.head.clear();
        self.body_left = None;
    }

    /// Takes bytes in; whether the answer is whole now.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<bool, String> {
        let body = match self.body_left {
            Some(left) => (left, bytes.len()),
            None => match self.take_head(bytes)? {
                Some(body) => (self.wanted_bytes, body),
                None => return Ok(false),
            },
        };
        let left = body
            .0
            .checked_sub(body.1)
            .ok_or_else(|| format!("{} bytes more than the answer's length", body.1 - body.0))?;
        self.body_left = Some(left);
        Ok(left == 0)
    }

    /// How many of these bytes are body, once the head is whole.
    fn take_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        // Nearly every head comes in one piece: no copy then.
        if self.head.is_empty()
            && let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n")
        {
            self.judge(&bytes[..end])?;
            return Ok(Some(bytes.len() - end - 4));
        }
        self.head.extend_from_slice(bytes);
        let Some(end) = memchr::memmem::find(&self.head, b"\r\n\r\n") else {
            if self.head.len() > HEAD_BYTES_MAX {
                return Err("the answer's head has no end".to_owned());
            }
            return Ok(None);
        };
        self.judge(&self.head[..end])?;
        Ok(Some(self.head.len() - end - 4))
    }

    fn judge(&self, head: &[u8]) -> Result<(), String> {
        let head = std::str::from_utf8(head).map_err(|_| "the answer's head is not text")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default();
        if !status.starts_with("HTTP/1.1 200") {
            return Err(format!("answered `{status}`, wanted `HTTP/1.1 200`"));
        }
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map(|(_, value)| value.trim());
        if length.and_then(|length| length.parse().ok()) == Some(self.wanted_bytes) {
            return Ok(());
        }
        Err(format!(
            "answered with length {}, wanted {}",
            length.unwrap_or("unknown"),
            self.wanted_bytes
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nxxxxx";

    #[test]
    fn an_answer_is_whole_however_it_is_cut() {
        for cut in 1..ANSWER.len() {
            let mut response = Response::expecting(5);
            assert_eq!(response.take(&ANSWER[..cut]), Ok(false), "{cut}");
            assert_eq!(response.take(&ANSWER[cut..]), Ok(true), "{cut}");
        }
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        assert!(Response::expecting(6).take(ANSWER).is_err());
        assert!(
            Response::expecting(5)
                .take(b"HTTP/1.1 503 No\r\ncontent-length: 5\r\n\r\n")
                .is_err()
        );
        assert!(
            Response::expecting(5)
                .take(&[ANSWER, b"x"].concat())
                .is_err()
        );
        assert!(
            Response::expecting(5)
                .take(b"HTTP/1.1 200 OK\r\n\r\n")
                .is_err()
        );
    }
}
