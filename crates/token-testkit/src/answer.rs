//! What a scripted server says.

/// An answer, or the lack of one.
///
/// Without more ado it is sent whole, with its length announced, and the connection is closed after it.
/// No header is added but `content-length` and `connection`; there is no `date` unless a test sets one.
///
/// ```
/// use token_testkit::Answer;
///
/// let busy = Answer::text(503, "Gateway Timeout").header("retry-after", "120");
/// assert_eq!(busy.status(), 503);
/// let broken = Answer::json(200, r#"{"access_token":"token-test-only"}"#).cut_off();
/// # let _ = broken;
/// ```
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    pub(crate) manner: Manner,
}

/// How an answer is sent.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// With another `content-length` than that of the body; closed after the body.
    Announcing(u64),
    /// In one chunk.
    Chunked,
    /// Half of the body, then closed.
    CutOff,
    /// The body byte by byte, with a pause after each, over and over, until the client goes away.
    Dripping,
    /// Chunks of the body, over and over, until the client goes away.
    Endless,
    /// Closed before any byte.
    HangUp,
    /// These bytes, then closed.
    Raw(Vec<u8>),
    /// Nothing, on an open connection.
    Silence,
    /// Half of the body, then nothing, on an open connection.
    Stalling,
    /// As it should be.
    Whole,
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), manner: Manner::Whole }
    }

    /// An answer in JSON. The text is sent as it is, JSON or not.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status).header("content-type", "application/json").body(body)
    }

    /// A page for people.
    #[must_use]
    pub fn html(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status).header("content-type", "text/html; charset=utf-8").body(body)
    }

    /// Plain text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status).header("content-type", "text/plain").body(body)
    }

    /// Sends the client to `location`.
    #[must_use]
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status).header("location", location)
    }

    /// These bytes and no others, then the end of the connection.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { manner: Manner::Raw(bytes.into()), ..Self::new(0) }
    }

    /// The connection ends before any byte of an answer.
    #[must_use]
    pub fn hang_up() -> Self {
        Self { manner: Manner::HangUp, ..Self::new(0) }
    }

    /// No answer, on a connection that stays open until the client leaves or the server is dropped.
    #[must_use]
    pub fn silence() -> Self {
        Self { manner: Manner::Silence, ..Self::new(0) }
    }

    /// Adds a header, beside one of the same name if there is one. Name and value are sent as they are.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Announces the whole body, sends half of it and closes the connection.
    #[must_use]
    pub fn cut_off(self) -> Self {
        Self { manner: Manner::CutOff, ..self }
    }

    /// Announces the whole body, sends half of it and then nothing, on a connection that stays open.
    #[must_use]
    pub fn stalling(self) -> Self {
        Self { manner: Manner::Stalling, ..self }
    }

    /// Announces a body of `length` bytes, sends the body that there is and closes the connection.
    #[must_use]
    pub fn announcing(self, length: u64) -> Self {
        Self { manner: Manner::Announcing(length), ..self }
    }

    /// Sends the body in a chunk, without announcing its length (RFC 9112 section 7.1).
    #[must_use]
    pub fn chunked(self) -> Self {
        Self { manner: Manner::Chunked, ..self }
    }

    /// Sends the body in chunks, over and over, until the client leaves or the server is dropped.
    #[must_use]
    pub fn endless(self) -> Self {
        Self { manner: Manner::Endless, ..self }
    }

    /// Sends the body a byte at a time, one every 50 ms, over and over, until the client leaves or the server is dropped.
    #[must_use]
    pub fn dripping(self) -> Self {
        Self { manner: Manner::Dripping, ..self }
    }

    /// The status; 0 for an answer without one.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body.
    #[must_use]
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn first_half(&self) -> &[u8] {
        self.body.get(..self.body.len() / 2).unwrap_or_default()
    }

    /// The bytes before the body.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.manner {
            Manner::Chunked | Manner::Dripping | Manner::Endless => head.push_str("transfer-encoding: chunked\r\n"),
            Manner::Announcing(length) => head.push_str(&format!("content-length: {length}\r\n")),
            _ => head.push_str(&format!("content-length: {}\r\n", self.body.len())),
        }
        head.push_str("connection: close\r\n\r\n");
        head.into_bytes()
    }

    /// The body as one chunk.
    pub(crate) fn chunk(&self) -> Vec<u8> {
        chunk_of(&self.body)
    }

    /// Each byte of the body as a chunk, over and over; nothing if there is no body.
    pub(crate) fn drips(&self) -> impl Iterator<Item = Vec<u8>> {
        self.body.chunks(1).map(chunk_of).cycle()
    }
}

fn chunk_of(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
