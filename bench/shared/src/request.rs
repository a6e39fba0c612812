//! The little of HTTP/1.1 that the token server reads.

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Path and query, as they came.
    pub target: String,
    /// The bytes of head and body together.
    pub bytes: usize,
}

impl Head {
    /// Reads a head from the bytes that came so far; `None` while its end is missing.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        const END: &[u8] = b"\r\n\r\n";
        let end = bytes.windows(END.len()).position(|window| window == END)? + END.len();
        let text = String::from_utf8_lossy(bytes.get(..end)?);
        let target = text.split_whitespace().nth(1).unwrap_or("/").to_owned();
        let mut lengths = text.lines().filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<usize>().ok() } else { None }
        });
        Some(Self { target, bytes: end + lengths.next().unwrap_or(0) })
    }

    /// The first part of the path: which site is meant.
    pub fn site(&self) -> &str {
        self.path().trim_start_matches('/').split('/').next().unwrap_or_default()
    }

    /// The last part of the path: what is wanted.
    pub fn action(&self) -> &str {
        self.path().rsplit('/').next().unwrap_or_default()
    }

    /// A number in the query.
    pub fn number(&self, name: &str) -> Option<u64> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let request = b"POST /7/oauth/token?a=1 HTTP/1.1\r\nHost: x\r\nContent-LENGTH: 3\r\n\r\nabc";
        assert_eq!(Head::read(&request[..request.len() - 5]), None);
        let head = Head::read(request).unwrap();
        assert_eq!((head.site(), head.action(), head.bytes), ("7", "token", request.len()));
    }

    #[test]
    fn numbers_stand_in_the_query() {
        let head = Head::read(b"GET /new?latency=50&status=401 HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(head.site(), "new");
        assert_eq!(["latency", "status", "lat", "expires_in"].map(|name| head.number(name)), [Some(50), Some(401), None, None]);
        assert_eq!(Head::read(b"\r\n\r\n").unwrap().target, "/");
    }
}
